// Factors of the terms of cross entropy.
#pragma once
#include "cuda/factor.cuh"
#include "cuda/softmax.cuh"
#include "cuda/total.cuh"
#include "ops/network/shared/cross_entropy.h"

namespace orthokit::cuda {

// Of a row: of the loss at its label, and of the losses of all classes, which their weights
// multiply.
struct LossFactors {
  double at_label, at_all;
};

template <class T>
struct CrossEntropyFactors {
  Optional<T> weights, row_weights;
  double smoothing;
  int64_t columns;

  explicit CrossEntropyFactors(const CrossEntropyTerms& op)
      : weights{op.weights.as<T>(), T(1)},
        row_weights{op.row_weights.as<T>(), T(1)},
        smoothing(op.smoothing),
        columns(row_length(op.logits)) {}
  bool is_plain() const { return !weights.data && !row_weights.data && smoothing == 0; }
  __device__ LossFactors of(int64_t row, int32_t label) const {
    const double own = double(load_group<1>(row_weights, row).of[0]);
    const double of_class = double(load_group<1>(weights, label).of[0]);
    return {own * (1 - smoothing) * of_class,
            smoothing > 0 ? own * smoothing / double(columns) : 0};
  }
};

// The sum of the rows' losses is divided by this.
struct Divisor {
  bool counts_labels;
  DeviceFactor over;
  explicit Divisor(const CrossEntropyTerms& op)
      : counts_labels(op.counts_labels()), over(op.over) {}
  __device__ double operator()(double counted) const {
    return counts_labels ? (counted > 1 ? counted : 1) : over();
  }
};

}  // namespace orthokit::cuda
