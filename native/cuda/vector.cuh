// Four neighbouring elements at a time, of any dtype, as the type that a kernel computes in.
#pragma once
#include <cstring>
#include <type_traits>

#include "cuda/convert.cuh"

namespace orthokit::cuda {

inline constexpr int kVector = 4;  // elements that a thread takes at once

// A Dtype as wide as the pointer beside it, so that one access brings both.
struct WideDtype {
  int64_t value;
  __host__ __device__ operator Dtype() const { return Dtype(value); }
};

// A tensor as a kernel sees it. Behind each store a kernel reads an operand of a list again: that
// costs less than the registers of a step's five, with addresses for each dtype.
struct alignas(16) Operand {
  void* data;
  WideDtype dtype;
  int64_t size;

  template <class T>
  __host__ __device__ T* as() const {
    return static_cast<T*>(data);
  }
};

// f.operator()<T>() with a T of an element's size: for what only moves elements, so that dtypes
// share their kernels.
template <class F>
void visit_moved(Dtype dtype, F&& f) {
  switch (bytes_of(dtype)) {
    case 1:
      return f.template operator()<uint8_t>();
    case 2:
      return f.template operator()<uint16_t>();
    case 4:
      return f.template operator()<float>();
    default:
      return f.template operator()<double>();
  }
}

// The bytes that move in one access: 16 at most, and as a built-in vector, because the compiler
// splits a struct of halves, and words that are put together to doubles.
template <int bytes>
struct Word;
template <>
struct Word<4> {
  using Type = unsigned;
};
template <>
struct Word<8> {
  using Type = uint2;
};
template <>
struct Word<16> {
  using Type = uint4;
};
template <class S, int bytes>
using AccessOf = std::conditional_t<std::is_same_v<S, double>, double2, typename Word<bytes>::Type>;

template <class S>
__device__ __forceinline__ bool is_whole(const S* p, int n) {
  constexpr unsigned kBytes = sizeof(S) * kVector;
  constexpr unsigned kAlign = kBytes < 16 ? kBytes : 16;
  return n == kVector && reinterpret_cast<uintptr_t>(p) % kAlign == 0;
}

// n ≤ kVector elements from p; zeros behind them.
template <class S>
__device__ __forceinline__ void load_raw(const S* p, int n, S (&out)[kVector]) {
  constexpr int kBytes = sizeof(S) * kVector, kStep = kBytes < 16 ? kBytes : 16;
  using Access = AccessOf<S, kStep>;
  if (is_whole(p, n)) {
#pragma unroll
    for (int i = 0; i < kBytes / kStep; ++i) {
      const Access word = reinterpret_cast<const Access*>(p)[i];
      memcpy(reinterpret_cast<char*>(out) + i * kStep, &word, kStep);
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < kVector; ++i) out[i] = i < n ? p[i] : S{};
}

// To global memory. Plain stores of whole vectors would be joined with those of single elements,
// and nvcc would keep the latter.
template <class S>
__device__ __forceinline__ void store_raw(S* p, int n, const S (&values)[kVector]) {
  constexpr int kBytes = sizeof(S) * kVector, kStep = kBytes < 16 ? kBytes : 16;
  using Access = AccessOf<S, kStep>;
  if (is_whole(p, n)) {
#pragma unroll
    for (int i = 0; i < kBytes / kStep; ++i) {
      Access word;
      memcpy(&word, reinterpret_cast<const char*>(values) + i * kStep, kStep);
      __stwb(reinterpret_cast<Access*>(p) + i, word);
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < kVector; ++i)
    if (i < n) p[i] = values[i];
}

// The same with a conversion: the dtype is floating.
template <class T>
__device__ __forceinline__ void load(const void* data, Dtype dtype, int64_t at, int n,
                                     T (&out)[kVector]) {
  on_floating(dtype, [&]<class S>() {
    S raw[kVector];
    load_raw(static_cast<const S*>(data) + at, n, raw);
#pragma unroll
    for (int i = 0; i < kVector; ++i) out[i] = convert<T>(raw[i]);
  });
}
template <class T>
__device__ __forceinline__ void load(const Operand& x, int64_t at, int n, T (&out)[kVector]) {
  load(x.data, x.dtype, at, n, out);
}

template <class T>
__device__ __forceinline__ void store(void* data, Dtype dtype, int64_t at, int n,
                                      const T (&values)[kVector]) {
  on_floating(dtype, [&]<class S>() {
    S raw[kVector];
#pragma unroll
    for (int i = 0; i < kVector; ++i) raw[i] = convert<S>(values[i]);
    store_raw(static_cast<S*>(data) + at, n, raw);
  });
}
template <class T>
__device__ __forceinline__ void store(const Operand& x, int64_t at, int n,
                                      const T (&values)[kVector]) {
  store(x.data, x.dtype, at, n, values);
}

// store(), and the values as they are now stored: what is derived of them now equals what is
// derived of them later.
template <class T>
__device__ __forceinline__ void store_rounded(const Operand& x, int64_t at, int n,
                                              T (&values)[kVector]) {
  void* const data = x.data;
  on_floating(x.dtype, [&]<class S>() {
    S raw[kVector];
#pragma unroll
    for (int i = 0; i < kVector; ++i) raw[i] = convert<S>(values[i]);
    store_raw(static_cast<S*>(data) + at, n, raw);
#pragma unroll
    for (int i = 0; i < kVector; ++i) values[i] = convert<T>(raw[i]);
  });
}

}  // namespace orthokit::cuda
