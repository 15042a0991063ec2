#pragma once
#include "ops/dense/shared/dense.h"

namespace orthokit {

struct Cholesky {
  static constexpr const char *name = "cholesky",
                              *summary = "lower factor of each positive definite matrix";
  static constexpr const char* about = R"(
  L Lᵀ = A for each symmetric positive definite matrix A of `gram`, whose lower half alone is read;
  L is lower triangular with a positive diagonal, and zeros are written above it (Golub and Van
  Loan, Matrix Computations, 4.2).
  `info` is 0, or k where the leading minor of order k is the first that is not positive, or not
  finite: the factor of that matrix is NaN, and nothing is thrown.
  With a `rankTolerance` above 0, A may be semidefinite: a pivot of at most that share of the
  largest diagonal element counts as zero, and its column of L is zero.
  Numerics: arithmetic in the dtype, block by block; backward error of n roundings.
  Traffic: one read of the lower half, one write of L; what lies beyond the cache again for each 64
  columns.
  )";
  static constexpr const char* examples[] = {"gram=f32[33x33] factor=f32[33x33] info=i32[1]",
                                             "gram=f64[7x31x31] factor=f64[7x31x31] info=i32[7]",
                                             "gram=f64[131x131] factor=f64[131x131] info=i32[1]",
                                             "gram=f64[5x5] factor=f64[5x5] info=i32[1] "
                                             "rankTolerance=1e-12",
                                             "gram=f32[3x1x1] factor=f32[3x1x1] info=i32[3]",
                                             "gram=f32[0x7x7] factor=f32[0x7x7] info=i32[0]"};
  static constexpr const char* cases[] = {
      "gram=f64[1024x1024] factor=f64[1024x1024] info=i32[1]",
      "gram=f32[4096x16x16] factor=f32[4096x16x16] info=i32[4096]",
      "gram=f32[64x128x128] factor=f32[64x128x128] info=i32[64]"};
  View gram, factor, info;
  double rank_tolerance = 0;

  double flops() const {
    const Matrices m = matrices(gram);
    return double(m.batch) * double(m.rows) * double(m.rows) * double(m.rows) / 3;
  }
  void fields(Fields& f) {
    f.in("gram", gram, kMayAlias), f.out("factor", factor, kMayAlias), f.out("info", info);
    f.value("rankTolerance", rank_tolerance);
  }
  void check(auto require) const {
    require(is_f32_or_f64(gram), ErrorCode::kDtype, "gram must be f32 or f64", gram);
    require(is_matrix_or_batch(gram) && matrices(gram).rows == matrices(gram).columns,
            ErrorCode::kShape, "gram must be a square matrix or a batch of them", gram);
    require(factor.dtype == gram.dtype, ErrorCode::kDtype, "factor must have the dtype of gram",
            factor);
    require(same_shape(factor, gram), ErrorCode::kShape, "factor must have the shape of gram",
            factor, "gram", gram);
    require.array("info must be i32 and have one element a matrix", info, Dtype::kI32,
                  matrices(gram).batch);
    require(rank_tolerance >= 0 && rank_tolerance < 1, ErrorCode::kArgument,
            "rankTolerance must be at least 0 and less than 1", rank_tolerance);
  }
};

}  // namespace orthokit
