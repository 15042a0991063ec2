// A tensor as rows: its last axis is the row, and the axes before it count them.
#pragma once
#include "core/op.h"

namespace orthokit {

inline int64_t row_length(const View& v) { return v.shape[v.rank - 1]; }
inline int64_t row_count(const View& v) {
  int64_t count = 1;
  for (int i = 0; i + 1 < v.rank; ++i) count *= v.shape[i];
  return count;
}
// True if `v` has one element a row of x, in a line or by x's axes before the last.
inline bool fits_rows(const View& v, const View& x) {
  if (v.rank == 1) return v.shape[0] == row_count(x);
  if (v.rank != x.rank - 1) return false;
  for (int i = 0; i < v.rank; ++i)
    if (v.shape[i] != x.shape[i]) return false;
  return true;
}
// True if `v` has one element a column of x.
inline bool fits_columns(const View& v, const View& x) {
  return v.rank == 1 && v.shape[0] == row_length(x);
}
// Demands of an operand that may be left out: one element a column of a gradient, of its dtype.
inline void check_columns(auto require, const View& v, const View& grad, const char* dtype,
                          const char* shape) {
  if (!v) return;
  require(v.dtype == grad.dtype, ErrorCode::kDtype, dtype, v);
  require(fits_columns(v, grad), ErrorCode::kShape, shape, v, "grad", grad);
}
// True if the axes of `v` are the last ones of x.
inline bool fits_last_axes(const View& v, const View& x) {
  if (v.rank < 1 || v.rank > x.rank) return false;
  for (int i = 0; i < v.rank; ++i)
    if (v.shape[i] != x.shape[x.rank - v.rank + i]) return false;
  return true;
}

// Rows of x that are as long as v, whose axes are the last ones of x.
inline int64_t count_of_rows(const View& x, const View& v) {
  int64_t count = 1;
  for (int i = 0; i < x.rank - v.rank; ++i) count *= x.shape[i];
  return count;
}

}  // namespace orthokit
