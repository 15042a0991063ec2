#pragma once
#include "core/op.h"
#include "ops/shared/arithmetic.h"

namespace orthokit {

struct EntryProducts {
  static constexpr const char *name = "entry_products",
                              *summary = "some entries of the product of two thin matrices";
  static constexpr const char* about = R"(
  outₑ = x[rowsₑ] · y[columnsₑ]: entries of x yᵀ that a list names, of which no others are computed.
  Numerics: sums in f64 in order, rounded once. An entry whose row is no row of x, or whose column
  is no row of y, is NaN; nothing outside the tensors is read.
  Traffic: one read of the list and of the rows that it names, one write of out.
  )";
  static constexpr const char* examples[] = {
      "rows=i32[597] columns=i32[597] x=f32[31x5] y=f32[43x5] out=f32[597]",
      "rows=i32[33] columns=i32[33] x=f64[10x64] y=f64[10x64] out=f64[33]",
      "rows=i32[0] columns=i32[0] x=f32[3x2] y=f32[0x2] out=f32[0]",
      "rows=i32[4] columns=i32[4] x=f64[10x0] y=f64[10x0] out=f64[4]"};
  static constexpr const char* cases[] = {
      "rows=i32[1000000] columns=i32[1000000] x=f32[100000x16] y=f32[10000x16] out=f32[1000000]"};
  View rows, columns, x, y, out;

  void fields(Fields& f) {
    f.in("rows", rows), f.in("columns", columns), f.in("x", x), f.in("y", y), f.out("out", out);
  }
  double terms() const { return double(out.size()) * double(x.shape[1]); }
  double flops() const { return 2 * wide_flops(x) * terms(); }
  double bytes() const {
    return double(bytes_in(rows) + bytes_in(columns) + bytes_in(out)) +
           2 * terms() * double(bytes_of(x.dtype));
  }
  void check(auto require) const {
    require(is_f32_or_f64(x), ErrorCode::kDtype, "x must be f32 or f64", x);
    require(x.rank == 2, ErrorCode::kShape, "x must be a matrix", x);
    require(y.dtype == x.dtype, ErrorCode::kDtype, "y must have the dtype of x", y);
    require(y.rank == 2 && y.shape[1] == x.shape[1], ErrorCode::kShape,
            "y must be a matrix with as many columns as x", y, "x", x);
    require(out.dtype == x.dtype, ErrorCode::kDtype, "out must have the dtype of x", out);
    require(out.rank == 1, ErrorCode::kShape, "out must be a vector", out);
    require.array("rows must be i32 with one element an element of out", rows, Dtype::kI32,
                  out.shape[0]);
    require.array("columns must be i32 with one element an element of out", columns, Dtype::kI32,
                  out.shape[0]);
  }
};

}  // namespace orthokit
