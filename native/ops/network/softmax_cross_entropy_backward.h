#pragma once
#include "core/op.h"
#include "ops/shared/arithmetic.h"
#include "ops/shared/rows.h"

namespace orthokit {

struct SoftmaxCrossEntropyBackward {
  static constexpr const char *name = "softmax_cross_entropy_backward",
                              *summary = "grad = scale (softmax - one-hot) / counted rows";
  static constexpr const char* about = R"(
  The gradient of scale · softmax_cross_entropy with respect to the logits x:
    gradᵢⱼ = scale / counted · (softmax(xᵢ)ⱼ − [j = labelᵢ]), counted = number of labels ≥ 0
  Rows of negative labels are 0; a label ≥ columns makes its row NaN. grad may be logits.
  Numerics: as row_softmax; the element at the label is rounded once, so that it keeps its digits
  where the probability is near 1.
  Traffic: one read, one write; the second pass finds its row in cache.
  )";
  static constexpr const char* examples[] = {
      "logits=f32[597x43] labels=i32[597] grad=f32[597x43]",
      "logits=f64[128x10] labels=i32[128] grad=f64[128x10] scale=0.5",
      "logits=f32[597x5] labels=i32[597] grad=f32[597x5]"};
  static constexpr const char* cases[] = {
      "logits=f32[8192x1024] labels=i32[8192] grad=f32[8192x1024]",
      "logits=f32[64x1024] labels=i32[64] grad=f32[64x1024]"};
  View logits, labels, grad;
  double scale = 1;

  void fields(Fields& f) {
    f.in("logits", logits), f.in("labels", labels), f.out("grad", grad, kMayAlias),
        f.value("scale", scale);
  }
  double flops() const { return (kExpFlops + 3 + wide_flops(logits)) * double(logits.size()); }
  void check(auto require) const {
    require(is_f32_or_f64(logits), ErrorCode::kDtype, "logits must be f32 or f64", logits);
    require(logits.rank >= 1, ErrorCode::kShape, "logits must have an axis", logits);
    require(labels.dtype == Dtype::kI32, ErrorCode::kDtype, "labels must be i32", labels);
    require(fits_rows(labels, logits), ErrorCode::kShape,
            "labels must have one element a row of logits", labels, "logits", logits);
    require(grad.dtype == logits.dtype, ErrorCode::kDtype, "grad must have logits' dtype", grad);
    require(same_shape(grad, logits), ErrorCode::kShape, "grad must have logits' shape", grad,
            "logits", logits);
  }
};

}  // namespace orthokit
