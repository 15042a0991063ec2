#pragma once
#include "ops/dense/shared/dense.h"

namespace orthokit {

struct Eigh {
  static constexpr const char *name = "eigh",
                              *summary = "eigenvalues and eigenvectors of each symmetric matrix";
  static constexpr const char* about = R"(
  A = V diag(λ) Vᵀ for each symmetric matrix A of `matrix`, whose lower half alone is read:
  `values` λ in ascending order, `vectors` V, whose columns are orthonormal, may be left out.
  Of each eigenvector, the first entry that has nine tenths of the size of the largest is positive.
  `info` is 0, 1 where a matrix is not finite, or 2 where it does not converge: its values and
  vectors are NaN, and nothing is thrown.
  Numerics: arithmetic in the dtype. Errors of the values are n roundings of the largest one.
  Traffic: some hundred passes over each matrix, in cache where it fits.
  )";
  static constexpr const char* examples[] = {
      "matrix=f64[33x33] values=f64[33] vectors=f64[33x33] info=i32[1]",
      "matrix=f32[3x7x7] values=f32[3x7] vectors=f32[3x7x7] info=i32[3]",
      "matrix=f64[5x16x16] values=f64[5x16] vectors=f64[5x16x16] info=i32[5]",
      "matrix=f64[31x31] values=f64[31] info=i32[1]",
      "matrix=f32[3x1x1] values=f32[3x1] vectors=f32[3x1x1] info=i32[3]",
      "matrix=f64[4x2x2] values=f64[4x2] vectors=f64[4x2x2] info=i32[4]",
      "matrix=f32[2x0x0] values=f32[2x0] vectors=f32[2x0x0] info=i32[2]"};
  static constexpr const char* cases[] = {
      "matrix=f64[512x512] values=f64[512] vectors=f64[512x512] info=i32[1]",
      "matrix=f32[1024x16x16] values=f32[1024x16] vectors=f32[1024x16x16] info=i32[1024]"};
  View matrix, values, vectors, info;

  // Of the QR algorithm on a tridiagonal matrix (Golub and Van Loan, 8.3).
  double flops() const {
    const double n = double(matrices(matrix).rows);
    return double(matrices(matrix).batch) * (vectors ? 9.0 : 4.0 / 3) * n * n * n;
  }
  void fields(Fields& f) {
    f.in("matrix", matrix), f.out("values", values), f.out("vectors", vectors, kOptional);
    f.out("info", info);
  }
  void check(auto require) const {
    require(is_f32_or_f64(matrix), ErrorCode::kDtype, "matrix must be f32 or f64", matrix);
    require(is_matrix_or_batch(matrix) && matrices(matrix).rows == matrices(matrix).columns,
            ErrorCode::kShape, "matrix must be a square matrix or a batch of them", matrix);
    require(values.dtype == matrix.dtype, ErrorCode::kDtype, "values must have the dtype of matrix",
            values);
    require(is_row_each(values, matrix, matrices(matrix).rows), ErrorCode::kShape,
            "values must have an element for each row of each matrix", values, "matrix", matrix);
    if (vectors) {
      require(vectors.dtype == matrix.dtype, ErrorCode::kDtype,
              "vectors must have the dtype of matrix", vectors);
      require(same_shape(vectors, matrix), ErrorCode::kShape,
              "vectors must have the shape of matrix", vectors, "matrix", matrix);
    }
    require.array("info must be i32 and have one element a matrix", info, Dtype::kI32,
                  matrices(matrix).batch);
  }
};

}  // namespace orthokit
