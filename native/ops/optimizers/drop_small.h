#pragma once
#include "core/op.h"

namespace orthokit {

struct DropSmall {
  static constexpr const char *name = "drop_small",
                              *summary = "elements become 0 that are small beside a norm";
  static constexpr const char* about = R"(
  out = x, with 0 for each element whose size is at most `least` times `norms` of its column, the norm
  of something that the column belongs to: what rounding leaves where there is nothing must not be
  taken for a direction. Where the norm is not finite, x stays. out may be x.
  Numerics: in x's dtype.
  Traffic: one read, one write.
  )";
  static constexpr const char* examples[] = {
      "x=f32[3x33x31] norms=f64[3x31] out=f32[3x33x31] least=0.5",
      "x=f64[1x597x5] norms=f64[1x5] out=f64[1x597x5] least=0.01",
      "x=f32[2x31x64] norms=f64[2x64] out=f32[2x31x64]"};
  static constexpr const char* cases[] = {
      "x=f32[1x128x4096] norms=f64[1x4096] out=f32[1x128x4096] least=1e-6"};
  View x, norms, out;
  double least = 0;

  void fields(Fields& f) {
    f.in("x", x), f.in("norms", norms), f.out("out", out, kMayAlias), f.value("least", least);
  }
  double flops() const { return 2 * double(x.size()); }
  void check(auto require) const {
    require(x.rank == 3, ErrorCode::kShape, "x must be a batch of matrices", x);
    require(is_f32_or_f64(x), ErrorCode::kDtype, "x must be f32 or f64", x);
    require(norms.dtype == Dtype::kF64, ErrorCode::kDtype, "norms must be f64", norms);
    require(norms.rank == 2 && norms.shape[0] == x.shape[0] && norms.shape[1] == x.shape[2],
            ErrorCode::kShape, "norms must have one element a column of x", norms, "x", x);
    require(out.dtype == x.dtype, ErrorCode::kDtype, "out must have the dtype of x", out);
    require(same_shape(out, x), ErrorCode::kShape, "out must have the shape of x", out, "x", x);
    require(least >= 0 && least < 1, ErrorCode::kArgument, "least must be in [0, 1)", least);
  }
};

}  // namespace orthokit
