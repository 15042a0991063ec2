#pragma once
#include "core/op.h"
#include "ops/shared/arithmetic.h"
#include "ops/shared/beta.h"
#include "ops/shared/rows.h"

namespace orthokit {

struct LayerNormBackward {
  static constexpr const char *name = "layer_norm_backward",
                              *summary = "gradients of layer_norm: of x, weight and bias";
  static constexpr const char* about = R"(
  The gradients of layer_norm from that of its output: with hᵢⱼ = (xᵢⱼ − mᵢ) rᵢ, rᵢ = 1 / √(vᵢ +
  eps), gᵢⱼ = gradᵢⱼ weightⱼ and means over the row,
    gradXᵢⱼ = rᵢ (gᵢⱼ − mean(gᵢ) − hᵢⱼ mean(gᵢ ⊙ hᵢ)),
    gradWeightⱼ = Σᵢ gradᵢⱼ hᵢⱼ,  gradBiasⱼ = Σᵢ gradᵢⱼ.
  gradWeight and gradBias are for those who ask. gradX may be grad or x. A beta of 1 (betaX,
  betaWeight, betaBias) adds to what is there instead.
  Numerics: sums in f64 in a fixed order; gradX from them in f64, or in f32: within 5 ulp of the
  largest of rᵢ |gᵢⱼ|, rᵢ |mean(gᵢ)|, rᵢ |hᵢⱼ mean(gᵢ ⊙ hᵢ)| and |gradXᵢⱼ|, by the roundings of
  mean(gᵢ), of its difference to gᵢⱼ (which may be twice a term), of x − m, of the factor of that,
  of the sum and of the result. Mean and deviation are computed from x again. A NaN or an infinity
  leaves no finite number in its row of gradX, nor, if in x, in gradWeight. Results are rounded
  before they are added; where the beta is 0 nothing is read.
  Traffic: two reads, one write; the passes after the first find their rows in cache.
  )";
  static constexpr const char* examples[] = {
      "grad=f32[597x43] x=f32[597x43] gradX=f32[597x43]",
      "grad=f64[3x4097] x=f64[3x4097] weight=f64[4097] gradX=f64[3x4097] gradWeight=f64[4097] "
      "gradBias=f64[4097]",
      "grad=f32[33x31] x=f32[33x31] weight=f32[31] gradX=f32[33x31] gradBias=f32[31] eps=0.1",
      "grad=f32[33x31] x=f32[33x31] weight=f32[31] gradX=f32[33x31] gradWeight=f32[31] "
      "gradBias=f32[31] betaX=1 betaWeight=1 betaBias=1",
      // Sums that fill the shared memory of a block on CUDA, and leave no room for its reductions.
      "grad=f32[2x3072] x=f32[2x3072] weight=f32[3072] gradX=f32[2x3072] gradWeight=f32[3072] "
      "gradBias=f32[3072]",
      "grad=f16[33x31] x=f16[33x31] weight=f16[31] gradX=f16[33x31] gradWeight=f16[31]"};
  static constexpr const char* cases[] = {
      "grad=f32[8192x1024] x=f32[8192x1024] weight=f32[1024] gradX=f32[8192x1024] "
      "gradWeight=f32[1024] gradBias=f32[1024]",
      "grad=f32[64x1024] x=f32[64x1024] weight=f32[1024] gradX=f32[64x1024] gradWeight=f32[1024] "
      "gradBias=f32[1024]"};
  View grad, x, weight, grad_x, grad_weight, grad_bias;
  double eps = 1e-5, beta_x = 0, beta_weight = 0, beta_bias = 0;

  void fields(Fields& f) {
    f.in("grad", grad), f.in("x", x), f.in("weight", weight, kOptional);
    f.inout("gradX", grad_x, kMayAlias);
    f.inout("gradWeight", grad_weight, kOptional), f.inout("gradBias", grad_bias, kOptional);
    f.value("eps", eps), f.value("betaX", beta_x);
    f.value("betaWeight", beta_weight), f.value("betaBias", beta_bias);
  }
  double flops() const { return (13 * wide_flops(grad) + 7) * double(x.size()); }
  double bytes() const {
    return double(bytes_in(grad) + bytes_in(x) + bytes_in(weight)) +
           bytes_of_result(grad_x, beta_x) + bytes_of_result(grad_weight, beta_weight) +
           bytes_of_result(grad_bias, beta_bias);
  }
  void check(auto require) const {
    require(is_floating(grad), ErrorCode::kDtype, "grad must be floating", grad);
    require(x.dtype == grad.dtype, ErrorCode::kDtype, "x must have grad's dtype", x);
    require(grad_x.dtype == grad.dtype, ErrorCode::kDtype, "gradX must have grad's dtype", grad_x);
    require(grad.rank >= 1, ErrorCode::kShape, "grad must have an axis", grad);
    require(same_shape(x, grad), ErrorCode::kShape, "x must have grad's shape", x, "grad", grad);
    require(same_shape(grad_x, grad), ErrorCode::kShape, "gradX must have grad's shape", grad_x,
            "grad", grad);
    check_columns(require, weight, grad, "weight must have grad's dtype",
                  "weight must have one element a column of grad");
    check_columns(require, grad_weight, grad, "gradWeight must have grad's dtype",
                  "gradWeight must have one element a column of grad");
    check_columns(require, grad_bias, grad, "gradBias must have grad's dtype",
                  "gradBias must have one element a column of grad");
    require(eps > 0, ErrorCode::kArgument, "eps must be positive", eps);
    require(beta_x == 0 || beta_x == 1, ErrorCode::kArgument, "betaX must be 0 or 1", beta_x);
    require(beta_weight == 0 || beta_weight == 1, ErrorCode::kArgument, "betaWeight must be 0 or 1",
            beta_weight);
    require(beta_bias == 0 || beta_bias == 1, ErrorCode::kArgument, "betaBias must be 0 or 1",
            beta_bias);
  }
};

}  // namespace orthokit
