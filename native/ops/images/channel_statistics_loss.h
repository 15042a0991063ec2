#pragma once
#include "core/op.h"
#include "ops/shared/arithmetic.h"
#include "ops/shared/rows.h"

namespace orthokit {

struct ChannelStatisticsLoss {
  static constexpr const char *name = "channel_statistics_loss",
                              *summary = "distance of channels' moments from others, and gradient";
  static constexpr const char* about = R"(
  loss = weight · (‖v − variance‖₂ + ‖m − mean‖₂) over the channels of x [..., C], with m their means over
  all other axes and v their biased variances: the statistics of a batch against the running ones of a
  batch norm (Yin and others 2020, DeepInversion; Shao and others 2024, CDA). With n elements a channel
    gradX = weight / n · ((m − mean) / ‖m − mean‖ + 2 (v − variance) / ‖v − variance‖ · (x − m)),
  where a norm of 0 has the gradient 0.
  Numerics: moments in f64 in a fixed order, of distances from the first row, of f64 in two passes; all
  else in f64, rounded once. NaN and infinity make all NaN or infinite.
  Traffic: one read of x, of f64 two; one more and a write for the gradient.
  )";
  static constexpr const char* examples[] = {
      "x=f32[3x5x4x7] mean=f32[7] variance=f32[7] loss=f64[1] gradX=f32[3x5x4x7]",
      "x=f64[4097x3] mean=f64[3] variance=f64[3] loss=f64[1] gradX=f64[4097x3] weight=0.01",
      "x=f16[31x33] mean=f32[33] variance=f32[33] loss=f64[1] gradX=f16[31x33]",
      "x=bf16[31x4] mean=f32[4] variance=f32[4] loss=f64[1] weight=10"};
  static constexpr const char* cases[] = {
      "x=f32[64x28x28x128] mean=f32[128] variance=f32[128] loss=f64[1] gradX=f32[64x28x28x128]"};
  View x, mean, variance, loss, grad_x;
  double weight = 1;

  void fields(Fields& f) {
    f.in("x", x), f.in("mean", mean), f.in("variance", variance), f.out("loss", loss);
    f.out("gradX", grad_x, kOptional), f.value("weight", weight);
  }
  double flops() const { return (grad_x ? 8.0 : 4.0) * double(x.size()); }
  double bytes() const { return double(bytes_in(x)) * (grad_x ? 3 : 1); }
  void check(auto require) const {
    require(is_floating(x), ErrorCode::kDtype, "x must be floating", x);
    require(x.rank >= 2 && x.size() > 0, ErrorCode::kShape,
            "x must have channels behind another axis, and elements", x);
    for (auto& v : {mean, variance}) {
      require(v.dtype == (x.dtype == Dtype::kF64 ? Dtype::kF64 : Dtype::kF32), ErrorCode::kDtype,
              "mean and variance must be f64 where x is, else f32", v);
      require(v.rank == 1 && v.shape[0] == row_length(x), ErrorCode::kShape,
              "mean and variance must have one element a channel of x", v, "x", x);
    }
    require.array("loss must be f64[1]", loss, Dtype::kF64, 1);
    if (grad_x) {
      require(grad_x.dtype == x.dtype, ErrorCode::kDtype, "gradX must have x's dtype", grad_x);
      require(same_shape(grad_x, x), ErrorCode::kShape, "gradX must have x's shape", grad_x, "x",
              x);
    }
    require(weight - weight == 0, ErrorCode::kArgument, "weight must be finite", weight);
  }
};

}  // namespace orthokit
