#pragma once
#include "core/op.h"

namespace orthokit {

struct DropSmall {
  static constexpr const char *name = "drop_small",
                              *summary = "elements become 0 that are small beside a norm";
  static constexpr const char* about = R"(
  out = x, with 0 for each element whose square is less than least² times `squares` of its column, the
  sum of squares of something that the column belongs to: what rounding leaves where there is nothing
  must not be taken for a direction. Where `squares` is not finite, x stays. out may be x.
  Numerics: squares in f64.
  Traffic: one read, one write.
  )";
  static constexpr const char* examples[] = {
      "x=f32[3x33x31] squares=f64[3x31] out=f32[3x33x31] least=0.5",
      "x=f64[1x597x5] squares=f64[1x5] out=f64[1x597x5] least=0.01",
      "x=f32[2x31x64] squares=f64[2x64] out=f32[2x31x64]"};
  static constexpr const char* cases[] = {
      "x=f32[1x128x4096] squares=f64[1x4096] out=f32[1x128x4096] least=1e-6"};
  View x, squares, out;
  double least = 0;

  void fields(Fields& f) {
    f.in("x", x), f.in("squares", squares), f.out("out", out, kMayAlias), f.value("least", least);
  }
  double flops() const { return 2 * double(x.size()); }
  void check(auto require) const {
    require(x.rank == 3, ErrorCode::kShape, "x must be a batch of matrices", x);
    require(is_f32_or_f64(x), ErrorCode::kDtype, "x must be f32 or f64", x);
    require(squares.dtype == Dtype::kF64, ErrorCode::kDtype, "squares must be f64", squares);
    require(squares.rank == 2 && squares.shape[0] == x.shape[0] && squares.shape[1] == x.shape[2],
            ErrorCode::kShape, "squares must have one element a column of x", squares, "x", x);
    require(out.dtype == x.dtype, ErrorCode::kDtype, "out must have the dtype of x", out);
    require(same_shape(out, x), ErrorCode::kShape, "out must have the shape of x", out, "x", x);
    require(least >= 0 && least < 1, ErrorCode::kArgument, "least must be in [0, 1)", least);
  }
};

}  // namespace orthokit
