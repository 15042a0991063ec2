// Factors of the terms of cross entropy.
#pragma once
#include <algorithm>

#include "cpu/factor.h"
#include "cpu/sums.h"
#include "ops/network/shared/cross_entropy.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Of a row: of the loss at its label, and of the losses of all classes, which their weights
// multiply.
struct LossFactors {
  double at_label, at_all;
  double total;  // of both: at_label + at_all · Σ weights
};

template <class T>
class CrossEntropyFactors {
 public:
  explicit CrossEntropyFactors(const CrossEntropyTerms& op)
      : weights_(op.weights.as<T>()),
        row_weights_(op.row_weights.as<T>()),
        smoothing_(op.smoothing) {
    const int64_t columns = row_length(op.logits);
    const T* w = weights_;
    total_ = w ? sum_of(columns, [w](int64_t j) { return double(w[j]); }) : double(columns);
    share_ = smoothing_ / double(columns);
  }
  const T* weights() const { return weights_; }
  bool is_plain() const { return !weights_ && !row_weights_ && smoothing_ == 0; }
  LossFactors of(int64_t row, int32_t label) const {
    const double own = row_weights_ ? double(row_weights_[row]) : 1;
    const double at_label = own * (1 - smoothing_) * (weights_ ? double(weights_[label]) : 1);
    const double at_all = smoothing_ > 0 ? own * share_ : 0;
    return {at_label, at_all, at_label + (at_all == 0 ? 0 : at_all * total_)};
  }
  double total() const { return total_; }

 private:
  const T *weights_, *row_weights_;
  double smoothing_, total_, share_;
};

inline int64_t counted_labels(const View& labels) {
  const int32_t* first = labels.as<int32_t>();
  return std::count_if(first, first + labels.size(), [](int32_t label) { return label >= 0; });
}

// The sum of the rows' losses is divided by this.
inline double divisor_of(const CrossEntropyTerms& op, int64_t counted) {
  return op.counts_labels() ? double(std::max<int64_t>(1, counted)) : value_of(op.over);
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
