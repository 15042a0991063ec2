#pragma once
#include "ops/network/shared/cross_entropy.h"
#include "ops/shared/beta.h"

namespace orthokit {

struct SoftmaxCrossEntropyBackward {
  static constexpr const char *name = "softmax_cross_entropy_backward",
                              *summary = "gradient of softmax_cross_entropy, or its curvature";
  static constexpr const char* about = R"(
  The gradient of scale · softmax_cross_entropy with respect to the logits x, p = softmax(xᵢ):
    gradᵢⱼ = fᵢ (aᵢ pⱼ − (1 − smoothing) w_labelᵢ [j = labelᵢ] − smoothing / columns · wⱼ),
    aᵢ = (1 − smoothing) w_labelᵢ + smoothing / columns · Σⱼ wⱼ,  fᵢ = scale / over · rowWeightᵢ,
  where w = weights; with a `direction` v the second derivative times it,
    gradᵢⱼ = fᵢ aᵢ pⱼ (vᵢⱼ − Σₖ pₖ vᵢₖ);
  + beta · gradᵢⱼ, beta 0 or 1. scale and over may live on the device; over as in
  softmax_cross_entropy. Rows of negative labels are 0; a label ≥ columns makes its row NaN. grad may
  be logits or direction.
  Numerics: as row_softmax; at the label the sum is taken off in f64, so that the element keeps
  its digits where the probability is near 1. Results are rounded before they are added; beta = 0
  does not read grad.
  Traffic: one read, one write; the second pass finds its row in cache.
  )";
  static constexpr const char* examples[] = {
      "logits=f32[597x43] labels=i32[597] grad=f32[597x43]",
      "logits=f64[128x10] labels=i32[128] grad=f64[128x10] scale=0.5",
      "logits=f32[597x5] labels=i32[597] grad=f32[597x5]",
      "logits=f32[31x5x43] labels=i32[31x5] weights=f32[43] rowWeights=f32[31x5] grad=f32[31x5x43] "
      "smoothing=0.1 over=7 beta=1",
      "logits=f64[33x1025] labels=i32[33] weights=f64[1025] grad=f64[33x1025] smoothing=0.25 "
      "over=3*f64[1] scale=2*f64[1]",
      "logits=f32[31x1025] labels=i32[31] direction=f32[31x1025] grad=f32[31x1025] smoothing=0.1",
      "logits=f64[33x31] labels=i32[33] weights=f64[31] rowWeights=f64[33] direction=f64[33x31] "
      "grad=f64[33x31] beta=1",
      "logits=bf16[31x43] labels=i32[31] grad=bf16[31x43]"};
  static constexpr const char* cases[] = {
      "logits=f32[8192x1024] labels=i32[8192] grad=f32[8192x1024]",
      "logits=f32[64x1024] labels=i32[64] grad=f32[64x1024]",
      "logits=f32[256x32000] labels=i32[256] grad=f32[256x32000]"};
  CrossEntropyTerms terms;
  View direction, grad;
  Factor scale = 1;
  double beta = 0;

  void fields(Fields& f) {
    terms.fields(f), f.in("direction", direction, kOptional);
    f.inout("grad", grad, kMayAlias), f.value("scale", scale), terms.values(f);
    f.value("beta", beta);
  }
  double flops() const {
    return (kExpFlops + 3 + wide_flops(terms.logits)) * double(terms.logits.size());
  }
  double bytes() const {
    return double(bytes_in(terms.logits) + bytes_in(terms.labels) + bytes_in(terms.weights) +
                  bytes_in(terms.row_weights) + bytes_in(direction)) +
           bytes_of_result(grad, beta);
  }
  void check(auto require) const {
    terms.check(require);
    if (direction) {
      require(direction.dtype == terms.logits.dtype, ErrorCode::kDtype,
              "direction must have logits' dtype", direction);
      require(same_shape(direction, terms.logits), ErrorCode::kShape,
              "direction must have logits' shape", direction, "logits", terms.logits);
    }
    require(grad.dtype == terms.logits.dtype, ErrorCode::kDtype, "grad must have logits' dtype",
            grad);
    require(same_shape(grad, terms.logits), ErrorCode::kShape, "grad must have logits' shape", grad,
            "logits", terms.logits);
    CrossEntropyTerms::check_scalar(require, scale, "scale on the device must be one number");
    check_beta(require, beta);
  }
};

}  // namespace orthokit
