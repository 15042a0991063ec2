// Cross entropy of rows of logits: the operands that the loss and its derivatives have in common.
#pragma once
#include "core/op.h"
#include "ops/shared/arithmetic.h"
#include "ops/shared/rows.h"

namespace orthokit {

struct CrossEntropyTerms {
  View logits, labels, weights, row_weights;
  double smoothing = 0;
  Factor over = 0;  // without a tensor and 0: the number of labels that count

  bool counts_labels() const { return !over.by && over.value == 0; }
  void fields(Fields& f) {
    f.in("logits", logits), f.in("labels", labels), f.in("weights", weights, kOptional);
    f.in("rowWeights", row_weights, kOptional);
  }
  void values(Fields& f) { f.value("smoothing", smoothing), f.value("over", over); }
  void check(auto require) const {
    require(is_floating(logits), ErrorCode::kDtype, "logits must be floating", logits);
    require(logits.rank >= 1, ErrorCode::kShape, "logits must have an axis", logits);
    require(labels.dtype == Dtype::kI32, ErrorCode::kDtype, "labels must be i32", labels);
    require(fits_rows(labels, logits), ErrorCode::kShape,
            "labels must have one element a row of logits", labels, "logits", logits);
    if (weights) {
      require(weights.dtype == logits.dtype, ErrorCode::kDtype, "weights must have logits' dtype",
              weights);
      require(fits_columns(weights, logits), ErrorCode::kShape,
              "weights must have one element a column of logits", weights, "logits", logits);
    }
    if (row_weights) {
      require(row_weights.dtype == logits.dtype, ErrorCode::kDtype,
              "rowWeights must have logits' dtype", row_weights);
      require(fits_rows(row_weights, logits), ErrorCode::kShape,
              "rowWeights must have one element a row of logits", row_weights, "logits", logits);
    }
    require(smoothing >= 0 && smoothing <= 1, ErrorCode::kArgument, "smoothing must be in 0 … 1",
            smoothing);
    require(over.value >= 0, ErrorCode::kArgument, "over must not be negative", over.value);
    check_scalar(require, over, "over on the device must be one number");
  }
  static void check_scalar(auto require, const Factor& f, const char* what) {
    require(!f.by || (f.by.size() == 1 && is_f32_or_f64(f.by)), ErrorCode::kShape, what, f.by);
  }
};

}  // namespace orthokit
