// Factors of the terms of cross entropy, in plain loops.
#pragma once
#include "bench/reference/shared/softmax.h"
#include "ops/network/shared/cross_entropy.h"

namespace orthokit::bench {

struct LossFactors {
  double at_label, at_all;  // of the loss at the label, and of the weighted losses of all classes
};

inline double weight_of(const CrossEntropyTerms& op, int64_t column) {
  return op.weights ? values(op.weights)[column] : 1;
}
inline LossFactors factors_of(const CrossEntropyTerms& op, int64_t row, int64_t label) {
  const double own = op.row_weights ? values(op.row_weights)[row] : 1;
  return {own * (1 - op.smoothing) * weight_of(op, label),
          op.smoothing == 0 ? 0 : own * op.smoothing / double(row_length(op.logits))};
}
// Of the loss of a class among those of all. A row that counts nothing has no part in them, however
// heavy a class is.
inline double factor_at(const CrossEntropyTerms& op, double at_all, int64_t column) {
  return at_all == 0 ? 0 : at_all * weight_of(op, column);
}
inline double value_of(const Factor& f) { return f.by ? f.value * *values(f.by) : f.value; }
inline double divisor_of(const CrossEntropyTerms& op) {
  return op.counts_labels() ? std::max(1.0, counted_rows(op.labels)) : value_of(op.over);
}

}  // namespace orthokit::bench
