#pragma once
#include "core/op.h"
#include "ops/shared/rows.h"

namespace orthokit {

struct ClampChannels {
  static constexpr const char *name = "clamp_channels",
                              *summary = "each channel between bounds of its own";
  static constexpr const char* about = R"(
  out = min(max(x, low), high) with a low and a high for each place of the last axis. out may be x.
  Numerics: bounds rounded to x's dtype; NaN stays NaN.
  Traffic: one read, one write.
  )";
  static constexpr const char* examples[] = {
      "x=f32[597x3] low=-1,-0.5,0 high=1,0.5,0.25 out=f32[597x3]",
      "x=f64[2x5x4x1] low=-1 high=1 out=f64[2x5x4x1]",
      "x=f16[31x4] low=-1,-1,-2,0 high=1,1,2,0 out=f16[31x4]",
      "x=bf16[31x2] low=-1,0 high=1,2 out=bf16[31x2]"};
  static constexpr const char* cases[] = {
      "x=f32[64x224x224x3] low=-2.1,-2,-1.8 high=2.2,2.4,2.6 out=f32[64x224x224x3]"};
  View x, out;
  List<double> low, high;

  void fields(Fields& f) {
    f.in("x", x), f.value("low", low), f.value("high", high), f.out("out", out, kMayAlias);
  }
  double flops() const { return 2 * double(x.size()); }
  void check(auto require) const {
    require(is_floating(x), ErrorCode::kDtype, "x must be floating", x);
    require(x.rank >= 1, ErrorCode::kShape, "x must have an axis", x);
    require(out.dtype == x.dtype, ErrorCode::kDtype, "out must have x's dtype", out);
    require(same_shape(out, x), ErrorCode::kShape, "out must have x's shape", out, "x", x);
    require(low.count == row_length(x), ErrorCode::kArgument, "low must be one number a channel",
            double(low.count));
    require(high.count == row_length(x), ErrorCode::kArgument, "high must be one number a channel",
            double(high.count));
    for (int64_t j = 0; j < low.count; ++j)
      require(low[j] <= high[j], ErrorCode::kArgument, "low must be at most high", low[j]);
  }
};

}  // namespace orthokit
