// Entries of a sparse matrix in rows, and what is fitted to them.
#pragma once
#include "ops/shared/arithmetic.h"

namespace orthokit {

// Those of row i stand at starts[i] … starts[i + 1] − 1 of columns.
inline void require_entries(auto require, const View& starts, const View& columns, int64_t rows) {
  require(columns.dtype == Dtype::kI32, ErrorCode::kDtype, "columns must be i32", columns);
  require(columns.rank == 1 && columns.shape[0] < (int64_t(1) << 31), ErrorCode::kShape,
          "columns must have rank 1 and fewer than 2^31 elements", columns);
  require.array("starts must be i32 with one element a row of out and one more", starts,
                Dtype::kI32, rows + 1);
}

// A range of entries; none where the starts of a row are no range of what there is.
struct EntryRange {
  int64_t begin, end;
  bool exists;
};
inline constexpr EntryRange entry_range(int64_t begin, int64_t end, int64_t count) {
  return {begin, end, begin >= 0 && begin <= end && end <= count};
}

inline constexpr int64_t kMostFitted = 80;  // columns: a block of threads holds their products

// Equations are singular where a pivot is at most this share of its diagonal element; then each of
// these gets kRaised of their mean added.
inline constexpr double least_pivot(int64_t columns) { return double(columns) * 0x1p-44; }
inline constexpr double kRaised = 1e-6;

}  // namespace orthokit
