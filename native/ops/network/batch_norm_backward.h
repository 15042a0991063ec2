#pragma once
#include "core/op.h"
#include "ops/shared/arithmetic.h"
#include "ops/shared/rows.h"

namespace orthokit {

struct BatchNormBackward {
  static constexpr const char *name = "batch_norm_backward",
                              *summary = "gradients of batch_norm: of x, weight and bias";
  static constexpr const char* about = R"(
  The gradients of batch_norm by the moments of the batch, from that of its output: with
  hᵢⱼ = (xᵢⱼ − mⱼ) rⱼ, m and r the rows of `moments`, and means over the column,
    gradXᵢⱼ = weightⱼ rⱼ (gradᵢⱼ − mean(gradⱼ) − hᵢⱼ mean(gradⱼ ⊙ hⱼ)) + betaX · gradXᵢⱼ,
    gradWeightⱼ = Σᵢ gradᵢⱼ hᵢⱼ + betaWeight · gradWeightⱼ,  gradBiasⱼ = Σᵢ gradᵢⱼ + betaBias · gradBiasⱼ.
  Each is for those who ask. gradX may be grad or x. A beta of 0 does not read. The derivative of h is
  symmetric, so that this without a weight is also its derivative along grad.
  Numerics: sums in f64 in a fixed order; gradX from them in f64, or in f32 within 6 ulp of the
  largest of its terms, each times |weightⱼ| rⱼ, and of |betaX gradXᵢⱼ|. A NaN or an infinity leaves no
  finite number in its column; infinite terms of gradX, each times weightⱼ rⱼ, that differ in sign make NaN.
  Traffic: two reads of grad and of x, one write of gradX.
  )";
  static constexpr const char* examples[] = {
      "grad=f32[597x43] x=f32[597x43] moments=f64[2x43] gradX=f32[597x43]",
      "grad=f64[3x5x4x33] x=f64[3x5x4x33] weight=f64[33] moments=f64[2x33] gradX=f64[3x5x4x33] "
      "gradWeight=f64[33] gradBias=f64[33] betaX=1 betaWeight=1 betaBias=1",
      "grad=f32[4097x3] x=f32[4097x3] weight=f32[3] moments=f64[2x3] gradX=f32[4097x3] "
      "gradWeight=f32[3] betaWeight=1",
      "grad=f32[33x64] x=f32[33x64] weight=f32[64] moments=f64[2x64] gradWeight=f32[64] "
      "gradBias=f32[64] betaBias=1",
      "grad=f16[31x33] x=f16[31x33] weight=f16[33] moments=f64[2x33] gradX=f16[31x33] "
      "gradWeight=f16[33] gradBias=f16[33] betaX=1",
      "grad=bf16[257x20] x=bf16[257x20] moments=f64[2x20] gradX=bf16[257x20]"};
  static constexpr const char* cases[] = {
      "grad=f32[128x28x28x32] x=f32[128x28x28x32] weight=f32[32] moments=f64[2x32] "
      "gradX=f32[128x28x28x32] gradWeight=f32[32] gradBias=f32[32]",
      "grad=f32[32x28x28x64] x=f32[32x28x28x64] weight=f32[64] moments=f64[2x64] "
      "gradX=f32[32x28x28x64] gradWeight=f32[64] gradBias=f32[64]"};
  View grad, x, weight, moments, grad_x, grad_weight, grad_bias;
  double beta_x = 0, beta_weight = 0, beta_bias = 0;

  void fields(Fields& f) {
    f.in("grad", grad), f.in("x", x), f.in("weight", weight, kOptional), f.in("moments", moments);
    f.inout("gradX", grad_x, kOptional | kMayAlias), f.inout("gradWeight", grad_weight, kOptional);
    f.inout("gradBias", grad_bias, kOptional), f.value("betaX", beta_x);
    f.value("betaWeight", beta_weight), f.value("betaBias", beta_bias);
  }
  double flops() const { return (5 * wide_flops(grad) + (grad_x ? 6 : 0)) * double(x.size()); }
  double bytes() const {
    const double passes = grad_x ? (beta_x == 0 ? 5 : 6) : 2;
    return passes * double(bytes_in(x));
  }
  void check(auto require) const {
    require(is_floating(grad), ErrorCode::kDtype, "grad must be floating", grad);
    require(grad.rank >= 1, ErrorCode::kShape, "grad must have an axis", grad);
    require(x.dtype == grad.dtype, ErrorCode::kDtype, "x must have grad's dtype", x);
    require(same_shape(x, grad), ErrorCode::kShape, "x must have grad's shape", x, "grad", grad);
    require(moments.dtype == Dtype::kF64, ErrorCode::kDtype, "moments must be f64", moments);
    require(moments.rank == 2 && moments.shape[0] == 2 && moments.shape[1] == row_length(grad),
            ErrorCode::kShape, "moments must be [2, C]", moments, "grad", grad);
    require(grad_x || grad_weight || grad_bias, ErrorCode::kArgument,
            "gradX is missing, gradWeight and gradBias");
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
    check_columns(require, grad_bias, grad, "gradBias must have grad's dtype",
                  "gradBias must have one element a column of grad");
  }
};

}  // namespace orthokit
