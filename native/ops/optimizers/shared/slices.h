// Rows or columns of the matrices of a batch.
#pragma once
#include "core/op.h"

namespace orthokit {

enum class SliceAxis : int32_t { kRows, kColumns };
inline Words words(SliceAxis) {
  static constexpr const char* list[] = {"rows", "columns"};
  return list;
}

struct Slices {
  int64_t batch, rows, columns;  // of the matrices
  int64_t taken;                 // of the slices of each
  SliceAxis axis;

  constexpr bool of_rows() const { return axis == SliceAxis::kRows; }
  constexpr int64_t count() const { return of_rows() ? rows : columns; }
};
// `few` holds as many slices as are taken of `all`.
inline Slices slices_of(const View& all, const View& few, SliceAxis axis) {
  return {all.shape[0], all.shape[1], all.shape[2], few.shape[axis == SliceAxis::kRows ? 1 : 2],
          axis};
}

inline void check_slices(auto require, const View& all, const View& few, SliceAxis axis,
                         const char* batch, const char* dtype, const char* shape) {
  require(all.rank == 3, ErrorCode::kShape, batch, all);
  require(is_f32_or_f64(all), ErrorCode::kDtype, dtype, all);
  const int side = axis == SliceAxis::kRows ? 1 : 2;
  const bool fits = few.rank == 3 && few.dtype == all.dtype && few.shape[0] == all.shape[0] &&
                    few.shape[3 - side] == all.shape[3 - side] &&
                    few.shape[side] <= all.shape[side];
  require(fits, ErrorCode::kShape, shape, few);
}

}  // namespace orthokit
