#pragma once
#include "core/op.h"

namespace orthokit {

struct Relu {
  static constexpr const char *name = "relu", *summary = "out = max(x, 0)";
  static constexpr const char* about = R"(
  out = x > 0 ? x : 0, with NaN kept. −0 gives 0. out may be x. Traffic: one read, one write.
  )";
  static constexpr const char* examples[] = {
      "x=f32[597x43] out=f32[597x43]", "x=f64[4097] out=f64[4097]", "x=f16[597] out=f16[597]"};
  static constexpr const char* cases[] = {"x=f32[8192x1024] out=f32[8192x1024]",
                                          "x=f32[64x1024] out=f32[64x1024]"};
  View x, out;

  void fields(Fields& f) { f.in("x", x), f.out("out", out, kMayAlias); }
  double flops() const { return double(x.size()); }
  void check(auto require) const {
    require(is_floating(x), ErrorCode::kDtype, "x must be floating", x);
    require(out.dtype == x.dtype, ErrorCode::kDtype, "out must have x's dtype", out);
    require(same_shape(out, x), ErrorCode::kShape, "out must have x's shape", out, "x", x);
  }
};

}  // namespace orthokit
