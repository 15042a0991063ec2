#pragma once
#include "core/op.h"
#include "ops/shared/arithmetic.h"
#include "ops/shared/rows.h"

namespace orthokit {

struct SoftmaxCrossEntropy {
  static constexpr const char *name = "softmax_cross_entropy",
                              *summary = "mean loss, number of correct rows";
  static constexpr const char* about = R"(
  loss = mean over the rows i with labelᵢ ≥ 0 of log Σⱼ exp(xᵢⱼ) − xᵢ,labelᵢ, x = logits.
  correct = number of those rows whose largest logit, the first of equal ones, is at the label.
  A negative label leaves its row out; a label ≥ columns makes the loss NaN. No counted row: 0.
  Numerics: the largest logit of the row subtracted, exponentials in the dtype (in f32 of exact
  differences: a row's sum is within 1.3e-7 of itself), the rest in f64, sums in a fixed order. A
  logit of −inf is a probability of 0: at the label the loss is +inf. A row that holds a NaN or
  +inf, or nothing but −inf, makes the loss NaN and is not correct.
  Traffic: one read of logits and labels.
  )";
  static constexpr const char* examples[] = {
      "logits=f32[597x43] labels=i32[597] loss=f64[1] correct=i32[1]",
      "logits=f64[128x10] labels=i32[128] loss=f64[1]",
      "logits=f32[597x5] labels=i32[597] loss=f64[1] correct=i32[1]"};
  static constexpr const char* cases[] = {
      "logits=f32[8192x1024] labels=i32[8192] loss=f64[1] correct=i32[1]",
      "logits=f32[64x1024] labels=i32[64] loss=f64[1] correct=i32[1]"};
  View logits, labels, loss, correct;

  void fields(Fields& f) {
    f.in("logits", logits), f.in("labels", labels), f.out("loss", loss),
        f.out("correct", correct, kOptional);
  }
  double flops() const { return (kExpFlops + 2 + wide_flops(logits)) * double(logits.size()); }
  void check(auto require) const {
    require(is_f32_or_f64(logits), ErrorCode::kDtype, "logits must be f32 or f64", logits);
    require(logits.rank >= 1, ErrorCode::kShape, "logits must have an axis", logits);
    require(labels.dtype == Dtype::kI32, ErrorCode::kDtype, "labels must be i32", labels);
    require(fits_rows(labels, logits), ErrorCode::kShape,
            "labels must have one element a row of logits", labels, "logits", logits);
    require(loss.dtype == Dtype::kF64, ErrorCode::kDtype, "loss must be f64", loss);
    require(loss.size() == 1, ErrorCode::kShape, "loss must have one element", loss);
    if (!correct) return;
    require(correct.dtype == Dtype::kI32, ErrorCode::kDtype, "correct must be i32", correct);
    require(correct.size() == 1, ErrorCode::kShape, "correct must have one element", correct);
  }
};

}  // namespace orthokit
