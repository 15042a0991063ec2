#pragma once
#include "ops/dense/shared/dense.h"

namespace orthokit {

struct CholeskySolve {
  static constexpr const char *name = "cholesky_solve",
                              *summary = "solves by the lower factor of each matrix";
  static constexpr const char* about = R"(
  L Lᵀ X = B for each matrix: L the lower half of `factor`, as `cholesky` gives it, B of `rhs`, X
  of `out`.
  Numerics: arithmetic in the dtype. A zero on the diagonal gives infinity or NaN, and NaN passes.
  Traffic: the lower half twice, one read of B, two writes of X.
  )";
  static constexpr const char* examples[] = {"factor=f32[33x33] rhs=f32[33x5] out=f32[33x5]",
                                             "factor=f64[7x31x31] rhs=f64[7x31x1] out=f64[7x31x1]",
                                             "factor=f64[65x65] rhs=f64[65x67] out=f64[65x67]",
                                             "factor=f32[3x1x1] rhs=f32[3x1x2] out=f32[3x1x2]",
                                             "factor=f32[2x7x7] rhs=f32[2x7x0] out=f32[2x7x0]"};
  static constexpr const char* cases[] = {
      "factor=f64[1024x1024] rhs=f64[1024x64] out=f64[1024x64]",
      "factor=f32[4096x16x16] rhs=f32[4096x16x1] out=f32[4096x16x1]"};
  View factor, rhs, out;

  double flops() const { return 2 * double(rhs.size()) * double(matrices(factor).rows); }
  void fields(Fields& f) {
    f.in("factor", factor), f.in("rhs", rhs, kMayAlias), f.out("out", out, kMayAlias);
  }
  void check(auto require) const {
    require(is_f32_or_f64(factor), ErrorCode::kDtype, "factor must be f32 or f64", factor);
    require(is_matrix_or_batch(factor) && matrices(factor).rows == matrices(factor).columns,
            ErrorCode::kShape, "factor must be a square matrix or a batch of them", factor);
    require(rhs.dtype == factor.dtype, ErrorCode::kDtype, "rhs must have the dtype of factor", rhs);
    require(is_matrix_each(rhs, factor, matrices(factor).rows, matrices(rhs).columns),
            ErrorCode::kShape, "rhs must be a matrix with as many rows for each factor", rhs,
            "factor", factor);
    require(out.dtype == factor.dtype, ErrorCode::kDtype, "out must have the dtype of factor", out);
    require(same_shape(out, rhs), ErrorCode::kShape, "out must have the shape of rhs", out, "rhs",
            rhs);
  }
};

}  // namespace orthokit
