#pragma once
#include "ops/lowrank/shared/entries.h"

namespace orthokit {

struct CombineEntries {
  static constexpr const char *name = "combine_entries",
                              *summary = "out = a sparse matrix in rows, times x";
  static constexpr const char* about = R"(
  outᵢ = Σₑ valuesₑ x[columnsₑ], over the entries e of row i of a sparse matrix,
  starts[i] … starts[i + 1] − 1. With `order`, the value of entry e is values[orderₑ]: so a matrix
  and its transpose, in rows both, share their values.
  Numerics: sums in f64 in the order of the entries, rounded once. An entry whose column is no row
  of x, or whose order is no element of values, adds nothing; a row whose starts are no range of
  columns is NaN, and nothing outside the tensors is read.
  Traffic: one read of the entries and of each row of x that they name, one write of out.
  )";
  static constexpr const char* examples[] = {
      "starts=i32[598] columns=i32[1791] values=f32[1791] x=f32[43x5] out=f32[597x5]",
      "starts=i32[32] columns=i32[93] values=f64[93] order=i32[93] x=f64[10x8] out=f64[31x8]",
      "starts=i32[2] columns=i32[3] values=f32[3] x=f32[10x1029] out=f32[1x1029]",
      "starts=i32[32] columns=i32[93] values=f64[93] order=i32[93] x=f64[10x1] out=f64[31x1]",
      "starts=i32[598] columns=i32[1791] values=f32[1791] x=f32[43x1] out=f32[597x1]",
      "starts=i32[1] columns=i32[0] values=f64[0] x=f64[3x2] out=f64[0x2]"};
  static constexpr const char* cases[] = {
      "starts=i32[100001] columns=i32[10000000] values=f32[10000000] x=f32[10000x16] "
      "out=f32[100000x16]",
      "starts=i32[1000001] columns=i32[5000000] values=f64[5000000] x=f64[1000000x1] "
      "out=f64[1000000x1]"};
  View starts, columns, values, order, x, out;

  void fields(Fields& f) {
    f.in("starts", starts), f.in("columns", columns), f.in("values", values);
    f.in("order", order, kOptional), f.in("x", x), f.out("out", out);
  }
  double terms() const { return double(columns.size()) * double(x.shape[1]); }
  double flops() const { return 2 * wide_flops(x) * terms(); }
  double bytes() const {
    return double(bytes_in(columns) + bytes_in(values) + bytes_in(order) + bytes_in(out)) +
           terms() * double(bytes_of(x.dtype));
  }
  void check(auto require) const {
    require(is_f32_or_f64(x), ErrorCode::kDtype, "x must be f32 or f64", x);
    require(x.rank == 2, ErrorCode::kShape, "x must be a matrix", x);
    require(out.dtype == x.dtype, ErrorCode::kDtype, "out must have the dtype of x", out);
    require(out.rank == 2 && out.shape[1] == x.shape[1], ErrorCode::kShape,
            "out must be a matrix with as many columns as x", out, "x", x);
    require_entries(require, starts, columns, out.shape[0]);
    require(values.dtype == x.dtype, ErrorCode::kDtype, "values must have the dtype of x", values);
    require(same_shape(values, columns), ErrorCode::kShape, "values must have the shape of columns",
            values, "columns", columns);
    if (order) {
      require(order.dtype == Dtype::kI32, ErrorCode::kDtype, "order must be i32", order);
      require(same_shape(order, columns), ErrorCode::kShape, "order must have the shape of columns",
              order, "columns", columns);
    }
  }
};

}  // namespace orthokit
