#pragma once
#include "ops/dense/shared/dense.h"
#include "ops/products/gemm.h"

namespace orthokit {

struct Lu {
  static constexpr const char *name = "lu",
                              *summary = "L and U of each matrix, by partial pivoting";
  static constexpr const char* about = R"(
  P A = L U for each matrix A of `matrix`, rows × columns, by partial pivoting (Golub and Van Loan,
  Matrix Computations, 3.4). `lu` holds U and, below the diagonal, L, whose diagonal is 1. Row i of
  P A is row pivots[i] of A. The pivot is the largest of its column, the first of equals; NaN is
  never the largest. Singular matrices are factored, too.
  `info` is 0, or k where the k-th pivot is the first that is not above `tol` times the
  largest pivot, in size: 0 asks for pivots that are exactly zero, or NaN. Nothing is thrown.
  Numerics: arithmetic in the dtype, block by block.
  Traffic: one read of A, one write of L and U; what lies beyond the cache again for each 64
  columns.
  )";
  static constexpr const char* examples[] = {
      "matrix=f32[33x33] lu=f32[33x33] pivots=i32[33] info=i32[1]",
      "matrix=f64[5x31x31] lu=f64[5x31x31] pivots=i32[5x31] info=i32[5] tol=1e-12",
      "matrix=f64[97x131] lu=f64[97x131] pivots=i32[97] info=i32[1]",
      "matrix=f64[131x67] lu=f64[131x67] pivots=i32[131] info=i32[1]",
      "matrix=f32[3x1x1] lu=f32[3x1x1] pivots=i32[3x1] info=i32[3]",
      "matrix=f32[2x5x0] lu=f32[2x5x0] pivots=i32[2x5] info=i32[2]"};
  static constexpr const char* cases[] = {
      "matrix=f64[1024x1024] lu=f64[1024x1024] pivots=i32[1024] info=i32[1]",
      "matrix=f32[4096x16x16] lu=f32[4096x16x16] pivots=i32[4096x16] info=i32[4096]"};
  View matrix, lu, pivots, info;
  double tolerance = 0;

  double flops() const {
    const Matrices m = matrices(matrix);
    const double k = double(smaller_side(matrix));
    const double longer = double(m.rows > m.columns ? m.rows : m.columns);
    return double(m.batch) * (longer * k * k - k * k * k / 3);
  }
  void fields(Fields& f) {
    f.in("matrix", matrix, kMayAlias), f.out("lu", lu, kMayAlias);
    f.out("pivots", pivots), f.out("info", info);
    f.value("tol", tolerance);
  }
  void check(auto require) const {
    require(is_f32_or_f64(matrix), ErrorCode::kDtype, "matrix must be f32 or f64", matrix);
    require(is_matrix_or_batch(matrix), ErrorCode::kShape,
            "matrix must be a matrix or a batch of them", matrix);
    require(matrices(matrix).rows <= kMaxSide, ErrorCode::kShape,
            "matrix must have less than 2^31 rows", matrix);
    require(lu.dtype == matrix.dtype, ErrorCode::kDtype, "lu must have the dtype of matrix", lu);
    require(same_shape(lu, matrix), ErrorCode::kShape, "lu must have the shape of matrix", lu,
            "matrix", matrix);
    require(pivots.dtype == Dtype::kI32, ErrorCode::kDtype, "pivots must be i32", pivots);
    require(is_row_each(pivots, matrix, matrices(matrix).rows), ErrorCode::kShape,
            "pivots must have an element for each row of each matrix", pivots, "matrix", matrix);
    require.array("info must be i32 and have one element a matrix", info, Dtype::kI32,
                  matrices(matrix).batch);
    require(tolerance >= 0 && tolerance < 1, ErrorCode::kArgument,
            "tol must be at least 0 and less than 1", tolerance);
  }
};

}  // namespace orthokit
