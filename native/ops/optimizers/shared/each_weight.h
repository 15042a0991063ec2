// Steps that take one weight after the other.
#pragma once
#include "core/composer.h"
#include "ops/optimizers/momentum.h"
#include "ops/optimizers/shared/matrix_step.h"
#include "ops/optimizers/shared/weights.h"

namespace orthokit {

// f(i, step) for each weight, with the step of that weight alone, whose update comes from f and so
// has its l2 decay: f hands `step.grad_squares` to what reads the gradient. Temporaries live as
// long as f.
template <class F>
void for_each_weight(const Step& all, Composer& c, F&& f) {
  for (int64_t i = 0; i < all.weights.count; ++i) {
    const Composer::Scope scope(c);
    Step step = without_l2(all.only(i));
    if (step.statistics) step.grad_squares = c.temporary({1}, Dtype::kF64);
    f(i, step);
  }
}

// The matrices of a weight, one after the other, in the arithmetic of its step.
inline View like_matrices(const View& weight, Composer& c) {
  const Matrices m = matrices(weight);
  return c.temporary({m.batch, m.rows, m.columns}, arithmetic_dtype(weight));
}

// The momentum of a step's only weight, advanced by its gradient with `l2` decay, as matrices.
// Under a guard it is 0, and so is all that follows from it.
inline View advanced(const Step& step, double l2, View& momentum, const MomentumRule& rule,
                     Composer& c) {
  const View x = like_matrices(step.weights[0], c);
  View out = shaped(x, step.weights[0]);
  c.run(Momentum{.grads = step.grads,
                 .momenta = {&momentum, 1},
                 .out = {&out, 1},
                 .weights = step.weights,
                 .masters = step.masters,
                 .guard = step.guard,
                 .squares = step.grad_squares,
                 .momentum = rule.momentum,
                 .l2 = l2,
                 .form = rule.form});
  return x;
}

// The sum of such a momentum and the gradient.
inline MomentumRule sum_of_gradients() { return {1, 0, false, MomentumForm::kHeavyBall}; }

}  // namespace orthokit
