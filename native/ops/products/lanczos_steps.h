#pragma once
#include "core/op.h"
#include "ops/products/gram_schmidt.h"

namespace orthokit {

struct LanczosSteps {
  static constexpr const char *name = "lanczos_steps",
                              *summary = "steps of Lanczos on a symmetric matrix";
  static constexpr const char* about = R"(
  For i = from, from + 1, …, one for each row of out: v_{i+1} = A vᵢ without its parts along v₀ … vᵢ,
  of length 1; v are the rows of `basis`, of which those up to `from` are orthonormal, and A is
  `matrix`. Without a matrix, one step, of which row from + 1 holds the product already. outᵢ = vᵢᵀ A
  vᵢ, an element of the diagonal of a tridiagonal matrix, and the length of what was left, the one
  beside it (Lanczos 1950; Parlett 1998, chapter 13).
  Numerics: products as gemm's; parts go as in gram_schmidt, the first time those along vᵢ and
  v_{i−1} alone. Where a length is but rounding, what follows says nothing. Composed of other ops:
  runs on every backend.
  Traffic: for each step one read of matrix, and two of the rows of basis up to its own.
  )";
  static constexpr const char* examples[] = {
      "matrix=f64[43x43] basis=f64[7x43] out=f64[2x2] from=1",
      "matrix=f32[97x97] basis=f32[5x97] out=f64[1x2] from=3",
      "basis=f64[4x597] out=f64[1x2] from=2", "basis=f32[2x33] out=f64[1x2]"};
  static constexpr const char* cases[] = {
      "matrix=f64[100x100] basis=f64[33x100] out=f64[8x2] from=24",
      "matrix=f32[1024x1024] basis=f32[33x1024] out=f64[8x2] from=24"};
  View matrix, basis, out;
  int64_t from = 0;

  int64_t steps() const { return out.shape[0]; }
  int64_t size() const { return basis.shape[1]; }
  void fields(Fields& f) {
    f.in("matrix", matrix, kOptional), f.inout("basis", basis), f.out("out", out);
    f.value("from", from);
  }
  double flops() const {
    const double n = double(size()), rows = double(from) + 0.5 * double(steps() + 1);
    return double(steps()) * n * ((matrix.data ? 2 * n : 0) + 4 * wide_flops(basis) * rows);
  }
  double bytes() const {
    const double rows = double(from) + 0.5 * double(steps() + 1);
    return double(steps()) *
           (double(bytes_in(matrix)) + 2 * rows * double(size()) * double(bytes_of(basis.dtype)));
  }
  void check(auto require) const {
    require(basis.rank == 2, ErrorCode::kShape, "basis must be a matrix", basis);
    require(is_f32_or_f64(basis), ErrorCode::kDtype, "basis must be f32 or f64", basis);
    require(out.rank == 2 && out.shape[1] == 2, ErrorCode::kShape, "out must have two columns",
            out);
    require(out.dtype == Dtype::kF64, ErrorCode::kDtype, "out must be f64", out);
    require(from >= 0, ErrorCode::kArgument, "from must not be negative", double(from));
    require(basis.shape[0] - steps() > from, ErrorCode::kShape,
            "basis must have a row for each step, and those up to from", basis, "out", out);
    if (matrix.data) {
      require(matrix.rank == 2 && matrix.shape[0] == size() && matrix.shape[1] == size(),
              ErrorCode::kShape, "matrix must be square, of basis's columns", matrix, "basis",
              basis);
      require(matrix.dtype == basis.dtype, ErrorCode::kDtype, "matrix must have basis's dtype",
              matrix);
    } else {
      require(steps() == 1, ErrorCode::kShape, "out must have one row without a matrix", out);
    }
  }
};

}  // namespace orthokit
