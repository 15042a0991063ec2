#pragma once
#include "ops/dense/shared/dense.h"

namespace orthokit {

struct Svd {
  static constexpr const char *name = "svd",
                              *summary = "singular values and vectors of each matrix";
  static constexpr const char* about = R"(
  A = U diag(s) Vᵀ for each matrix A of `matrix`, m × n. Thin: with k the smaller of m and n, `u`
  is m × k, `v` n × k, both with orthonormal columns, also where s is 0; `s` is descending. `u` and
  `v` may be left out, together.
  Of each column of U, the first entry that has nine tenths of the size of the largest is positive.
  `info` is 0, 1 where a matrix is not finite, or 2 where it does not converge: its results are
  NaN, and nothing is thrown.
  Numerics: arithmetic in the dtype. Errors of s are some roundings of the largest one, times the
  smaller side.
  Traffic: some hundred passes over each matrix, in cache where it fits.
  )";
  static constexpr const char* examples[] = {
      "matrix=f64[33x33] u=f64[33x33] s=f64[33] v=f64[33x33] info=i32[1]",
      "matrix=f32[3x7x5] u=f32[3x7x5] s=f32[3x5] v=f32[3x5x5] info=i32[3]",
      "matrix=f64[5x31x7] u=f64[5x31x7] s=f64[5x7] v=f64[5x7x7] info=i32[5]",
      "matrix=f64[7x31] u=f64[7x7] s=f64[7] v=f64[31x7] info=i32[1]",
      "matrix=f64[31x17] s=f64[17] info=i32[1]",
      "matrix=f32[3x1x1] u=f32[3x1x1] s=f32[3x1] v=f32[3x1x1] info=i32[3]",
      "matrix=f32[2x5x0] u=f32[2x5x0] s=f32[2x0] v=f32[2x0x0] info=i32[2]"};
  static constexpr const char* cases[] = {
      "matrix=f64[256x256] u=f64[256x256] s=f64[256] v=f64[256x256] info=i32[1]",
      "matrix=f32[1024x16x16] u=f32[1024x16x16] s=f32[1024x16] v=f32[1024x16x16] info=i32[1024]"};
  View matrix, u, s, v, info;

  // Of Golub and Reinsch's algorithm (Golub and Van Loan, Matrix Computations, 8.6).
  double flops() const {
    const Matrices m = matrices(matrix);
    const double k = double(smaller_side(matrix));
    const double longer = double(m.rows > m.columns ? m.rows : m.columns);
    return double(m.batch) *
           (u ? 14 * longer * k * k + 8 * k * k * k : 4 * longer * k * k - 4 * k * k * k / 3);
  }
  void fields(Fields& f) {
    f.in("matrix", matrix), f.out("u", u, kOptional), f.out("s", s), f.out("v", v, kOptional);
    f.out("info", info);
  }
  void check(auto require) const {
    require(is_f32_or_f64(matrix), ErrorCode::kDtype, "matrix must be f32 or f64", matrix);
    require(is_matrix_or_batch(matrix), ErrorCode::kShape,
            "matrix must be a matrix or a batch of them", matrix);
    const int64_t k = smaller_side(matrix);
    require(bool(u) == bool(v), ErrorCode::kArgument, "u and v come together or not at all");
    if (u) {
      require(u.dtype == matrix.dtype, ErrorCode::kDtype, "u must have the dtype of matrix", u);
      require(is_matrix_each(u, matrix, matrices(matrix).rows, k), ErrorCode::kShape,
              "u must have the rows of matrix and a column for each of its smaller side", u,
              "matrix", matrix);
      require(v.dtype == matrix.dtype, ErrorCode::kDtype, "v must have the dtype of matrix", v);
      require(
          is_matrix_each(v, matrix, matrices(matrix).columns, k), ErrorCode::kShape,
          "v must have a row for each column of matrix and a column for each of its smaller side",
          v, "matrix", matrix);
    }
    require(s.dtype == matrix.dtype, ErrorCode::kDtype, "s must have the dtype of matrix", s);
    require(is_row_each(s, matrix, k), ErrorCode::kShape,
            "s must have an element for each of the smaller side of each matrix", s, "matrix",
            matrix);
    require.array("info must be i32 and have one element a matrix", info, Dtype::kI32,
                  matrices(matrix).batch);
  }
};

}  // namespace orthokit
