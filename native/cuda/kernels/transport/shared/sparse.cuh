// Sparse matrices in f64, by rows and by columns.
#pragma once
#include <bit>

#include "cuda/kernels/transport/shared/transport.cuh"
#include "cuda/sort.cuh"
#include "cuda/total.cuh"

namespace orthokit::cuda {

// Rows, or columns, that stand one after another.
struct SparseLines {
  const int32_t *starts, *indices;
  const double* values;
  int64_t lines;
  __device__ int64_t entries() const { return starts[lines]; }
  // Number of threads that share a line: as many as it has entries on average, or half of that.
  __device__ int lanes() const {
    const int64_t each = lines > 0 ? entries() / lines : 0;
    int lanes = 1;
    while (lanes < kWarp && 2 * lanes <= each) lanes *= 2;
    return lanes;
  }
};

// Counts faults of entry or row k: of a matrix with this many columns and room for so many entries.
struct CountWrong {
  SparseLines rows;
  int64_t columns, room;
  __device__ void operator()(int64_t k, Sums<1>& wrong) const {
    const int64_t last = rows.entries();
    if (k == 0 && (rows.starts[0] != 0 || last > room)) wrong.of[0] += 1;
    if (k < rows.lines && rows.starts[k + 1] < rows.starts[k]) wrong.of[0] += 1;
    if (k < room && k < last && (rows.indices[k] < 0 || rows.indices[k] >= columns))
      wrong.of[0] += 1;
  }
};
struct StoreWhetherNone {
  double* good;
  __device__ void operator()(const Sums<1>& wrong) const { *good = wrong.of[0] == 0; }
};
// *good: 1 if they are a matrix, else 0.
inline void check_rows(Stream& stream, const SparseLines& rows, int64_t columns, int64_t room,
                       double* good) {
  const int64_t count = rows.lines > room ? rows.lines : room;
  sum_items<1>(stream, count > 0 ? count : 1, CountWrong{rows, columns, room},
               StoreWhetherNone{good});
}

// The column of each entry, as what to sort by: behind all columns where there is none.
struct ColumnKeys {
  SparseLines rows;
  const double* good;
  int64_t columns;
  uint32_t* keys;
  __device__ void operator()(int64_t k) const {
    keys[k] = *good != 0 && k < rows.entries() ? uint32_t(rows.indices[k]) : uint32_t(columns);
  }
};

// The first of `count` places where is_behind(place), which stays so from there on.
template <class F>
__device__ __forceinline__ int64_t first_place(int64_t count, F&& is_behind) {
  int64_t low = 0, high = count;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (is_behind(middle))
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

struct ColumnStarts {
  const uint32_t* keys;
  int64_t count;
  int32_t* starts;
  __device__ void operator()(int64_t j) const {
    starts[j] = int32_t(first_place(count, [&](int64_t k) { return int64_t(keys[k]) >= j; }));
  }
};
struct EntriesByColumn {
  SparseLines rows;
  Sorted sorted;
  int64_t columns;
  int32_t* row;
  double* value;
  __device__ void operator()(int64_t k) const {
    if (int64_t(sorted.keys[k]) >= columns) return;
    const int64_t from = sorted.position[k];
    row[k] = int32_t(
        first_place(rows.lines, [&](int64_t i) { return int64_t(rows.starts[i + 1]) > from; }));
    value[k] = rows.values[from];
  }
};

// The same matrix by columns, and in each by rows: without entries where *good is 0. As scratch
// memory.
inline SparseLines by_columns(Stream& stream, const SparseLines& rows, int64_t columns,
                              int64_t room, const double* good) {
  auto* keys = stream.scratch<uint32_t>(room);
  auto *starts = stream.scratch<int32_t>(columns + 1), *row = stream.scratch<int32_t>(room);
  auto* value = stream.scratch<double>(room);
  for_items(stream, room, ColumnKeys{rows, good, columns, keys});
  const Sorted sorted = sort(stream, keys, room, int(std::bit_width(uint64_t(columns))));
  for_items(stream, columns + 1, ColumnStarts{sorted.keys, room, starts});
  for_items(stream, room, EntriesByColumn{rows, sorted, columns, row, value});
  return {starts, row, value, columns};
}

}  // namespace orthokit::cuda
