#pragma once
#include "core/op.h"

namespace orthokit {

struct UnitColumns {
  static constexpr const char *name = "unit_columns",
                              *summary = "columns of matrices, over their norms";
  static constexpr const char* about = R"(
  out = x with each column of each matrix of the batch over its norm + eps, whose squares are given;
  a column of norm 0 is 0, and so is one whose norm is at most `least` times that of its matrix: what
  rounding leaves of nothing has no direction. out may be x.
  Numerics: the inverse in f64, the product in x's dtype.
  Traffic: one read, one write.
  )";
  static constexpr const char* examples[] = {
      "x=f32[3x33x31] squares=f64[3x31] out=f32[3x33x31] eps=1e-8",
      "x=f64[1x597x5] squares=f64[1x5] out=f64[1x597x5]",
      "x=f32[2x31x64] squares=f64[2x64] out=f32[2x31x64] eps=0.5 least=0.1"};
  static constexpr const char* cases[] = {
      "x=f32[1x4096x256] squares=f64[1x256] out=f32[1x4096x256]"};
  View x, squares, out;
  double eps = 0, least = 0;

  void fields(Fields& f) {
    f.in("x", x), f.in("squares", squares), f.out("out", out, kMayAlias), f.value("eps", eps);
    f.value("least", least);
  }
  double flops() const { return double(x.size()); }
  void check(auto require) const {
    require(x.rank == 3, ErrorCode::kShape, "x must be a batch of matrices", x);
    require(is_f32_or_f64(x), ErrorCode::kDtype, "x must be f32 or f64", x);
    require(squares.dtype == Dtype::kF64, ErrorCode::kDtype, "squares must be f64", squares);
    require(squares.rank == 2 && squares.shape[0] == x.shape[0] && squares.shape[1] == x.shape[2],
            ErrorCode::kShape, "squares must have one element a column of x", squares, "x", x);
    require(out.dtype == x.dtype, ErrorCode::kDtype, "out must have the dtype of x", out);
    require(same_shape(out, x), ErrorCode::kShape, "out must have the shape of x", out, "x", x);
    require(eps >= 0, ErrorCode::kArgument, "eps must not be negative", eps);
    require(least >= 0 && least < 1, ErrorCode::kArgument, "least must be in [0, 1)", least);
  }
};

}  // namespace orthokit
