#pragma once
#include "core/op.h"
#include "ops/shared/arithmetic.h"
#include "ops/shared/rows.h"

namespace orthokit {

struct RmsNormBackward {
  static constexpr const char *name = "rms_norm_backward",
                              *summary = "gradients of rms_norm: of x and weight";
  static constexpr const char* about = R"(
  The gradients of rms_norm from that of its output: with rᵢ = 1 / √(mean(xᵢ²) + eps), hᵢⱼ = xᵢⱼ rᵢ,
  gᵢⱼ = gradᵢⱼ weightⱼ and means over the row,
    gradXᵢⱼ = rᵢ (gᵢⱼ − hᵢⱼ mean(gᵢ ⊙ hᵢ)) + betaX · gradXᵢⱼ,
    gradWeightⱼ = Σᵢ gradᵢⱼ hᵢⱼ + betaWeight · gradWeightⱼ.
  Either is for those who ask. gradX may be grad or x. A beta of 0 does not read.
  Numerics: sums in f64 in a fixed order; gradX from them in f64, or in f32: within 6 ulp of the
  largest of rᵢ |gᵢⱼ|, rᵢ |hᵢⱼ mean(gᵢ ⊙ hᵢ)|, |betaX gradXᵢⱼ| and the result. A NaN in x or grad
  leaves no number in its row of gradX.
  Traffic: two reads, one write; the second pass finds its rows in cache.
  )";
  static constexpr const char* examples[] = {
      "grad=f32[597x43] x=f32[597x43] gradX=f32[597x43]",
      "grad=f64[3x4097] x=f64[3x4097] weight=f64[4097] gradX=f64[3x4097] gradWeight=f64[4097] "
      "betaX=1 betaWeight=1",
      "grad=f32[3x11x31] x=f32[3x11x31] weight=f32[31] gradX=f32[3x11x31] gradWeight=f32[31] "
      "eps=0.1 betaWeight=1",
      "grad=f32[33x31] x=f32[33x31] weight=f32[31] gradWeight=f32[31]",
      "grad=f16[31x33] x=f16[31x33] weight=f16[33] gradX=f16[31x33] gradWeight=f16[33] betaX=1",
      "grad=bf16[1028] x=bf16[1028] weight=bf16[1028] gradX=bf16[1028] gradWeight=bf16[1028]"};
  static constexpr const char* cases[] = {
      "grad=f32[8192x1024] x=f32[8192x1024] weight=f32[1024] gradX=f32[8192x1024] "
      "gradWeight=f32[1024]",
      "grad=f32[64x1024] x=f32[64x1024] weight=f32[1024] gradX=f32[64x1024] gradWeight=f32[1024]"};
  View grad, x, weight, grad_x, grad_weight;
  double eps = 1e-6, beta_x = 0, beta_weight = 0;

  void fields(Fields& f) {
    f.in("grad", grad), f.in("x", x), f.in("weight", weight, kOptional);
    f.inout("gradX", grad_x, kOptional | kMayAlias), f.inout("gradWeight", grad_weight, kOptional);
    f.value("eps", eps), f.value("betaX", beta_x), f.value("betaWeight", beta_weight);
  }
  double flops() const { return (6 * wide_flops(grad) + 6) * double(x.size()); }
  double bytes() const {
    return double(bytes_in(grad) + bytes_in(x) + bytes_in(weight) +
                  (beta_x == 0 ? 1 : 2) * bytes_in(grad_x) +
                  (beta_weight == 0 ? 1 : 2) * bytes_in(grad_weight));
  }
  void check(auto require) const {
    require(is_floating(grad), ErrorCode::kDtype, "grad must be floating", grad);
    require(grad.rank >= 1, ErrorCode::kShape, "grad must have an axis", grad);
    require(x.dtype == grad.dtype, ErrorCode::kDtype, "x must have grad's dtype", x);
    require(same_shape(x, grad), ErrorCode::kShape, "x must have grad's shape", x, "grad", grad);
    require(grad_x || grad_weight, ErrorCode::kArgument, "gradX is missing, and gradWeight");
    if (grad_x) {
      require(grad_x.dtype == grad.dtype, ErrorCode::kDtype, "gradX must have grad's dtype",
              grad_x);
      require(same_shape(grad_x, grad), ErrorCode::kShape, "gradX must have grad's shape", grad_x,
              "grad", grad);
    }
    check_columns(require, weight, grad, "weight must have grad's dtype",
                  "weight must have one element a column of grad");
    check_columns(require, grad_weight, grad, "gradWeight must have grad's dtype",
                  "gradWeight must have one element a column of grad");
    require(eps > 0, ErrorCode::kArgument, "eps must be positive", eps);
  }
};

}  // namespace orthokit
