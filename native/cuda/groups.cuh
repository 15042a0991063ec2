// Neighbouring elements of a matrix's row, in groups that a thread takes at once: fours where rows
// are a whole number of them, else single ones, so that neighbouring threads read neighbours. The
// shape alone decides, and with it the order of sums.
#pragma once
#include "cuda/vector.cuh"

namespace orthokit::cuda {

template <class T, int N>
struct Group {
  T of[N];
};

// A row of numbers that may be missing: then each of them is `value`.
template <class T>
struct Optional {
  const T* data;
  T value;
};

// The row that a result is added to, or a zero that no sum notices, its sign included.
template <class T>
__device__ __forceinline__ Optional<T> old_of(bool adds, const T* row) {
  return {adds ? row : nullptr, T(-0.0)};
}

template <int N, class T>
__device__ __forceinline__ Group<T, N> load_group(const T* x, int64_t at) {
  Group<T, N> group;
  if constexpr (N == kVector)
    load_raw(x + at, N, group.of);
  else
    group.of[0] = x[at];
  return group;
}
template <int N, class T>
__device__ __forceinline__ Group<T, N> load_group(const Optional<T>& x, int64_t at) {
  if (x.data) return load_group<N>(x.data, at);
  Group<T, N> group;
  for (T& v : group.of) v = x.value;
  return group;
}
template <int N, class T>
__device__ __forceinline__ void store_group(T* x, int64_t at, const Group<T, N>& group) {
  if constexpr (N == kVector)
    store_raw(x + at, N, group.of);
  else
    x[at] = group.of[0];
}

// f(j, x[j], …) for the group's elements j.
template <int N, class F, class... X>
__device__ __forceinline__ void visit_group(int64_t at, F&& f, const X&... x) {
  [&](const auto&... groups) {
#pragma unroll
    for (int i = 0; i < N; ++i) f(at + i, groups.of[i]...);
  }(load_group<N>(x, at)...);
}

// out[j] = f(j, x[j], …).
template <int N, class T, class F, class... X>
__device__ __forceinline__ void map_group(int64_t at, T* out, F&& f, const X&... x) {
  Group<T, N> result;
  [&](const auto&... groups) {
#pragma unroll
    for (int i = 0; i < N; ++i) result.of[i] = f(at + i, groups.of[i]...);
  }(load_group<N>(x, at)...);
  store_group(out, at, result);
}

// f.operator()<N>(), by the length of a row.
template <class F>
__device__ __forceinline__ void on_group(int64_t columns, F&& f) {
  if (columns % kVector == 0)
    f.template operator()<kVector>();
  else
    f.template operator()<1>();
}

}  // namespace orthokit::cuda
