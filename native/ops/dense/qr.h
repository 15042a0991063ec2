#pragma once
#include "ops/dense/shared/dense.h"

namespace orthokit {

struct Qr {
  static constexpr const char *name = "qr",
                              *summary = "orthonormal columns and triangle of each matrix";
  static constexpr const char* about = R"(
  A = Q R for each matrix A of `matrix`, m × n, by Householder reflections (Golub and Van Loan,
  Matrix Computations, 5.2). Thin: with k the smaller of m and n, `q` is m × k with orthonormal
  columns, `r` k × n, upper triangular, its diagonal not negative.
  Numerics: arithmetic in the dtype, of numbers scaled by a power of two, so that no square
  overflows; Q is orthogonal to rounding whatever the rank of A is. NaN and infinity make NaN of
  their matrix.
  Traffic: one read of A, one write of Q and R, where a matrix fits the cache.
  )";
  static constexpr const char* examples[] = {"matrix=f32[33x33] q=f32[33x33] r=f32[33x33]",
                                             "matrix=f64[5x31x7] q=f64[5x31x7] r=f64[5x7x7]",
                                             "matrix=f64[17x65] q=f64[17x17] r=f64[17x65]",
                                             "matrix=f64[131x67] q=f64[131x67] r=f64[67x67]",
                                             "matrix=f32[3x1x1] q=f32[3x1x1] r=f32[3x1x1]",
                                             "matrix=f32[2x5x0] q=f32[2x5x0] r=f32[2x0x0]"};
  static constexpr const char* cases[] = {
      "matrix=f32[1024x1024] q=f32[1024x1024] r=f32[1024x1024]",
      "matrix=f64[4096x64] q=f64[4096x64] r=f64[64x64]",
      "matrix=f32[4096x16x16] q=f32[4096x16x16] r=f32[4096x16x16]"};
  View matrix, q, r;

  double flops() const {
    const Matrices m = matrices(matrix);
    const double k = double(smaller_side(matrix));
    const double longer = double(m.rows > m.columns ? m.rows : m.columns);
    return double(m.batch) * 4 * (longer * k * k - k * k * k / 3);
  }
  void fields(Fields& f) { f.in("matrix", matrix), f.out("q", q), f.out("r", r); }
  void check(auto require) const {
    require(is_f32_or_f64(matrix), ErrorCode::kDtype, "matrix must be f32 or f64", matrix);
    require(is_matrix_or_batch(matrix), ErrorCode::kShape,
            "matrix must be a matrix or a batch of them", matrix);
    const int64_t k = smaller_side(matrix);
    require(q.dtype == matrix.dtype, ErrorCode::kDtype, "q must have the dtype of matrix", q);
    require(is_matrix_each(q, matrix, matrices(matrix).rows, k), ErrorCode::kShape,
            "q must have the rows of matrix and a column for each of its smaller side", q, "matrix",
            matrix);
    require(r.dtype == matrix.dtype, ErrorCode::kDtype, "r must have the dtype of matrix", r);
    require(is_matrix_each(r, matrix, k, matrices(matrix).columns), ErrorCode::kShape,
            "r must have the columns of matrix and a row for each of its smaller side", r, "matrix",
            matrix);
  }
};

}  // namespace orthokit
