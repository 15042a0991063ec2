#pragma once
#include "ops/lowrank/shared/entries.h"

namespace orthokit {

struct FitRows {
  static constexpr const char *name = "fit_rows",
                              *summary = "least squares of each row of a sparse matrix";
  static constexpr const char* about = R"(
  outᵢ = the w for which Σₑ (valuesₑ − shift[columnsₑ] − w · x[columnsₑ])² + ridge |w|² is least,
  over the entries e of row i of a sparse matrix, starts[i] … starts[i + 1] − 1: half a round of
  alternating minimization (arXiv 2302.11068). squaresᵢ = Σₑ (…)² for outᵢ as it is stored.
  Numerics: normal equations and their Cholesky factor in f64, each row's sums in the order of its
  entries. Equations that are singular to working precision (a pivot of at most n 2⁻⁴⁴ of its
  diagonal element, for n columns of x) or not finite have singularᵢ = 1, else 0, and
  1e-6 of the mean of the diagonal is added to it: their w is nearly the one of least norm. A
  row without entries has w = 0 and singularᵢ = 1, unless ridge is above 0. An entry whose column is
  no row of x does not count; a row whose starts are no range of columns is NaN, and nothing
  outside the tensors is read.
  Traffic: one read of the entries and of the rows of x that they name, two with squares.
  )";
  static constexpr const char* examples[] = {
      "starts=i32[598] columns=i32[1791] values=f32[1791] x=f32[43x5] out=f32[597x5] "
      "squares=f64[597] singular=i32[597] ridge=0.5",
      "starts=i32[32] columns=i32[93] values=f64[93] x=f64[10x17] shift=f64[10] out=f64[31x17] "
      "squares=f64[31] ridge=0.25",
      "starts=i32[3] columns=i32[6] values=f32[6] x=f32[10x80] shift=f32[10] out=f32[2x80] ridge=1",
      "starts=i32[1] columns=i32[0] values=f64[0] x=f64[3x2] out=f64[0x2]"};
  static constexpr const char* cases[] = {
      "starts=i32[100001] columns=i32[10000000] values=f32[10000000] x=f32[10000x16] "
      "out=f32[100000x16] squares=f64[100000] ridge=0.1",
      "starts=i32[10001] columns=i32[1000000] values=f32[1000000] x=f32[100000x64] "
      "out=f32[10000x64] squares=f64[10000] ridge=0.1"};
  View starts, columns, values, x, shift, out, squares, singular;
  double ridge = 0;

  void fields(Fields& f) {
    f.in("starts", starts), f.in("columns", columns), f.in("values", values), f.in("x", x);
    f.in("shift", shift, kOptional), f.out("out", out), f.out("squares", squares, kOptional);
    f.out("singular", singular, kOptional), f.value("ridge", ridge);
  }
  double flops() const {
    const double n = double(x.shape[1]), entries = double(columns.size());
    return entries * (n * (n + 1) + 4 * n) + double(out.shape[0]) * n * n * (n / 3 + 2);
  }
  double bytes() const {
    const double rows = double(columns.size()) * double(x.shape[1]) * double(bytes_of(x.dtype));
    return double(bytes_in(columns) + bytes_in(values) + bytes_in(out)) + rows;
  }
  void check(auto require) const {
    require(is_f32_or_f64(x), ErrorCode::kDtype, "x must be f32 or f64", x);
    require(x.rank == 2, ErrorCode::kShape, "x must be a matrix", x);
    require(x.shape[1] >= 1 && x.shape[1] <= kMostFitted, ErrorCode::kShape,
            "x must have 1 to 80 columns", x);
    require(out.dtype == x.dtype, ErrorCode::kDtype, "out must have the dtype of x", out);
    require(out.rank == 2 && out.shape[1] == x.shape[1], ErrorCode::kShape,
            "out must be a matrix with as many columns as x", out, "x", x);
    require_entries(require, starts, columns, out.shape[0]);
    require(values.dtype == x.dtype, ErrorCode::kDtype, "values must have the dtype of x", values);
    require(same_shape(values, columns), ErrorCode::kShape, "values must have the shape of columns",
            values, "columns", columns);
    if (shift) {
      require(shift.dtype == x.dtype, ErrorCode::kDtype, "shift must have the dtype of x", shift);
      require(shift.rank == 1 && shift.shape[0] == x.shape[0], ErrorCode::kShape,
              "shift must have one element a row of x", shift, "x", x);
    }
    if (squares)
      require.array("squares must be f64 with one element a row of out", squares, Dtype::kF64,
                    out.shape[0]);
    if (singular)
      require.array("singular must be i32 with one element a row of out", singular, Dtype::kI32,
                    out.shape[0]);
    require(ridge >= 0 && ridge < 1e300, ErrorCode::kArgument,
            "ridge must be finite and not negative", ridge);
  }
};

}  // namespace orthokit
