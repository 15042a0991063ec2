#pragma once
#include "ops/dense/shared/dense.h"

namespace orthokit {

struct LuSolve {
  static constexpr const char *name = "lu_solve", *summary = "solves by L and U of each matrix";
  static constexpr const char* about = R"(
  A X = B for each matrix A, of which `lu` gave L, U and `pivots`; B of `rhs`, X of `out`. A pivot
  outside the rows gives NaN.
  Numerics: arithmetic in the dtype. A zero on U's diagonal gives infinity or NaN, and NaN passes.
  Traffic: one read of L and U, one of B, two writes of X.
  )";
  static constexpr const char* examples[] = {
      "lu=f32[33x33] pivots=i32[33] rhs=f32[33x5] out=f32[33x5]",
      "lu=f64[7x31x31] pivots=i32[7x31] rhs=f64[7x31x1] out=f64[7x31x1]",
      "lu=f64[65x65] pivots=i32[65] rhs=f64[65x67] out=f64[65x67]",
      "lu=f32[3x1x1] pivots=i32[3x1] rhs=f32[3x1x2] out=f32[3x1x2]",
      "lu=f32[2x7x7] pivots=i32[2x7] rhs=f32[2x7x0] out=f32[2x7x0]"};
  static constexpr const char* cases[] = {
      "lu=f64[1024x1024] pivots=i32[1024] rhs=f64[1024x64] out=f64[1024x64]",
      "lu=f32[4096x16x16] pivots=i32[4096x16] rhs=f32[4096x16x1] out=f32[4096x16x1]"};
  View lu, pivots, rhs, out;

  double flops() const { return 2 * double(rhs.size()) * double(matrices(lu).rows); }
  void fields(Fields& f) {
    f.in("lu", lu), f.in("pivots", pivots), f.in("rhs", rhs), f.out("out", out);
  }
  void check(auto require) const {
    require(is_f32_or_f64(lu), ErrorCode::kDtype, "lu must be f32 or f64", lu);
    require(is_matrix_or_batch(lu) && matrices(lu).rows == matrices(lu).columns, ErrorCode::kShape,
            "lu must be a square matrix or a batch of them", lu);
    require(pivots.dtype == Dtype::kI32, ErrorCode::kDtype, "pivots must be i32", pivots);
    require(is_row_each(pivots, lu, matrices(lu).rows), ErrorCode::kShape,
            "pivots must have an element for each row of each matrix", pivots, "lu", lu);
    require(rhs.dtype == lu.dtype, ErrorCode::kDtype, "rhs must have the dtype of lu", rhs);
    require(is_matrix_each(rhs, lu, matrices(lu).rows, matrices(rhs).columns), ErrorCode::kShape,
            "rhs must be a matrix with as many rows for each of lu", rhs, "lu", lu);
    require(out.dtype == lu.dtype, ErrorCode::kDtype, "out must have the dtype of lu", out);
    require(same_shape(out, rhs), ErrorCode::kShape, "out must have the shape of rhs", out, "rhs",
            rhs);
  }
};

}  // namespace orthokit
