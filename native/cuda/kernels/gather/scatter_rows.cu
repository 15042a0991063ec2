#include "cuda/matrix.cuh"
#include "cuda/sort.cuh"
#include "ops/gather/scatter_rows.h"

namespace orthokit::cuda {

// A key a row of x: the row of out that it goes to; `outside` for none.
struct NoteTarget {
  const int32_t* index;
  uint32_t* keys;
  uint32_t outside;
  template <int N>
  __device__ void operator()(int64_t, int64_t at) const {
    map_group<N>(
        at, keys,
        [&](int64_t, int32_t row) {
          return row >= 0 && uint32_t(row) < outside ? uint32_t(row) : outside;
        },
        index);
  }
};

// Row i of x in the order of the targets. The last one of a target sets it.
template <class T>
struct SetRow {
  Sorted sorted;
  uint32_t outside;
  int64_t count, size;
  const T* x;
  T* out;
  template <int N>
  __device__ void operator()(int64_t i, int64_t at) const {
    const uint32_t row = sorted.keys[i];
    if (row == outside || (i + 1 < count && sorted.keys[i + 1] == row)) return;
    store_group(out + row * size, at, load_group<N>(x + sorted.position[i] * size, at));
  }
};

template <class T>
struct ClearRow {
  T* out;
  template <int N>
  __device__ void operator()(int64_t, int64_t at) const {
    map_group<N>(at, out, [](int64_t) { return T{}; });
  }
};

// The first one of a target adds them all.
template <class T>
struct AddRow {
  static constexpr int kAhead = 4;  // rows that are on their way at once
  Sorted sorted;
  uint32_t outside;
  int64_t count, size;
  const T* x;
  T* out;
  template <int N>
  __device__ void operator()(int64_t i, int64_t at) const {
    const uint32_t row = sorted.keys[i];
    if (row == outside || (i > 0 && sorted.keys[i - 1] == row)) return;
    const auto is_of_row = [&](int64_t k) { return k < count && sorted.keys[k] == row; };
    double sums[N];
    visit_group<N>(
        at, [&](int64_t j, T v) { sums[j - at] = convert<double>(v); }, out + row * size);
    bool more = true;
    for (int64_t first = i; more; first += kAhead) {
      bool mine[kAhead];
#pragma unroll
      for (int k = 0; k < kAhead; ++k) mine[k] = is_of_row(first + k);
      Group<T, N> rows[kAhead] = {};
#pragma unroll
      for (int k = 0; k < kAhead; ++k)
        if (mine[k]) rows[k] = load_group<N>(x + sorted.position[first + k] * size, at);
#pragma unroll
      for (int k = 0; k < kAhead; ++k)
        if (mine[k])
          for (int j = 0; j < N; ++j) sums[j] += convert<double>(rows[k].of[j]);
      more = mine[kAhead - 1];
    }
    map_group<N>(at, out + row * size, [&](int64_t j) { return convert<T>(sums[j - at]); });
  }
};

static void scatter_rows(const ScatterRows& op, Stream& stream) {
  const int64_t rows = op.out.shape[0], count = op.index.size(), size = op.row_size();
  if (op.beta == 0)
    visit_moved(op.out.dtype, [&]<class T>() {
      if constexpr (sizeof(T) > 1)  // what is added has a floating dtype
        for_matrix(stream, 1, op.out.size(), ClearRow<T>{op.out.as<T>()});
    });
  if (rows == 0 || count == 0 || size == 0) return;
  constexpr int64_t kMostRows = int64_t(1) << 31;  // that an index reaches
  const auto outside = uint32_t(rows < kMostRows ? rows : kMostRows);
  auto* keys = stream.scratch<uint32_t>(count);
  for_matrix(stream, 1, count, NoteTarget{op.index.as<int32_t>(), keys, outside});
  const Sorted sorted = sort(stream, keys, count, int(std::bit_width(outside)));
  if (op.mode == ScatterMode::kSet)
    return visit_moved(op.out.dtype, [&]<class T>() {
      for_matrix(stream, count, size,
                 SetRow<T>{sorted, outside, count, size, op.x.as<T>(), op.out.as<T>()});
    });
  visit_storage(op.out.dtype, [&]<class T>() {
    if constexpr (!std::is_integral_v<T>)
      for_matrix(stream, count, size,
                 AddRow<T>{sorted, outside, count, size, op.x.as<T>(), op.out.as<T>()});
  });
}
ORTHOKIT_KERNEL(ScatterRows, scatter_rows);

}  // namespace orthokit::cuda
