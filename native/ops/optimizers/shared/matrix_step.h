// Steps of matrices alone: their demand, and decay that has its place before the update.
#pragma once
#include "ops/optimizers/shared/step.h"

namespace orthokit {

inline void check_matrices(auto require, const List<View>& weights) {
  for (auto& w : weights)
    require(w.rank >= 2, ErrorCode::kShape, "weights must have rank 2 or more", w);
}

// l2 decay has its place in the gradient; what applies the finished update must not add it again.
inline Step without_l2(Step step) {
  if (step.weight_decay_mode == WeightDecayMode::kL2) step.weight_decay = 0;
  return step;
}

}  // namespace orthokit
