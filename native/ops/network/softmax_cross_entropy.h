#pragma once
#include "ops/network/shared/cross_entropy.h"

namespace orthokit {

struct SoftmaxCrossEntropy {
  static constexpr const char *name = "softmax_cross_entropy",
                              *summary = "loss of rows of logits, number of correct rows";
  static constexpr const char* about = R"(
  lossᵢ = rowWeightᵢ ((1 − smoothing) w_labelᵢ lᵢ,labelᵢ + smoothing / columns · Σⱼ wⱼ lᵢⱼ), where
  lᵢⱼ = log Σₖ exp(xᵢₖ) − xᵢⱼ, x = logits, and w = weights, by class: −ln softmax(x)ᵢ,labelᵢ where
  none of them is given (smoothing as in Szegedy et al. 2016, section 7).
  losses = these, by row; loss = their sum over the rows i with labelᵢ ≥ 0, divided by `over`, a
  number that may live on the device, or if it is not given or 0 by the number of those rows.
  correct = number of those rows whose largest logit, the first of equal ones, is at the label.
  A negative label leaves its row out: its loss is 0. A label ≥ columns makes the loss NaN. No
  counted row: 0.
  Numerics: the largest logit of the row subtracted, exponentials in the dtype (in f32 a row's sum
  is within 1.3e-7 of itself), the rest in f64, sums in a fixed order. A logit of −inf is a
  probability of 0: at the label the loss is +inf, and so with smoothing wherever its class has a
  weight. A row that holds a NaN or +inf, or nothing but −inf, makes the loss NaN and is not
  correct.
  Traffic: one read of logits and labels.
  )";
  static constexpr const char* examples[] = {
      "logits=f32[597x43] labels=i32[597] loss=f64[1] correct=i32[1]",
      "logits=f64[128x10] labels=i32[128] loss=f64[1]",
      "logits=f32[597x5] labels=i32[597] loss=f64[1] correct=i32[1]",
      "logits=f32[31x5x43] labels=i32[31x5] weights=f32[43] rowWeights=f32[31x5] loss=f64[1] "
      "losses=f32[31x5] smoothing=0.1 over=7",
      "logits=f64[33x1025] labels=i32[33] weights=f64[1025] loss=f64[1] losses=f64[33] "
      "smoothing=0.25 over=3*f64[1]",
      "logits=bf16[31x43] labels=i32[31] loss=f64[1] losses=bf16[31]"};
  static constexpr const char* cases[] = {
      "logits=f32[8192x1024] labels=i32[8192] loss=f64[1] correct=i32[1]",
      "logits=f32[64x1024] labels=i32[64] loss=f64[1] correct=i32[1]",
      "logits=f32[256x32000] labels=i32[256] loss=f64[1]"};
  CrossEntropyTerms terms;
  View loss, losses, correct;

  void fields(Fields& f) {
    terms.fields(f), f.out("loss", loss), f.out("losses", losses, kOptional);
    f.out("correct", correct, kOptional), terms.values(f);
  }
  double flops() const {
    return (kExpFlops + (terms.smoothing > 0 ? 5 : 2) + wide_flops(terms.logits)) *
           double(terms.logits.size());
  }
  void check(auto require) const {
    terms.check(require);
    require(loss.dtype == Dtype::kF64, ErrorCode::kDtype, "loss must be f64", loss);
    require(loss.size() == 1, ErrorCode::kShape, "loss must have one element", loss);
    if (losses) {
      require(losses.dtype == terms.logits.dtype, ErrorCode::kDtype,
              "losses must have logits' dtype", losses);
      require(fits_rows(losses, terms.logits), ErrorCode::kShape,
              "losses must have one element a row of logits", losses, "logits", terms.logits);
    }
    if (!correct) return;
    require(correct.dtype == Dtype::kI32, ErrorCode::kDtype, "correct must be i32", correct);
    require(correct.size() == 1, ErrorCode::kShape, "correct must have one element", correct);
  }
};

}  // namespace orthokit
