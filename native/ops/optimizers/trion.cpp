#include "ops/optimizers/trion.h"

#include "core/composer.h"
#include "ops/optimizers/apply_update.h"
#include "ops/optimizers/momentum.h"

namespace orthokit {
namespace {

void step_one(const Trion& op, int64_t i, Composer& c) {
  View &weight = op.step.weights[i], &momentum = op.momenta[i];
  Step step = without_l2(op.step.only(i));
  const Dtype dtype = arithmetic_dtype(weight);
  const Matrices shape = matrices(weight);
  const View x = c.temporary({shape.batch, shape.rows, shape.columns}, dtype);
  View in_shape = shaped(x, weight);
  if (step.statistics) step.grad_squares = c.temporary({1}, Dtype::kF64);
  // Under a guard the sum is 0, and so is all that follows from it.
  c.run(Momentum{.grads = {&op.step.grads[i], 1},
                 .momenta = {&momentum, 1},
                 .out = {&in_shape, 1},
                 .weights = {&weight, 1},
                 .masters = step.masters,
                 .guard = step.guard,
                 .squares = step.grad_squares,
                 .momentum = 1,
                 .l2 = op.step.l2(),
                 .form = MomentumForm::kHeavyBall});
  View update = in_shape;
  if (x.size() > 0) {
    CosineSubspace subspace(c, shape, dtype, op.basis, op.rank);
    const View all = subspace.coordinates(x), indices = subspace.largest(all);
    const View rows = subspace.rows(all, indices);
    View inside = shaped(subspace.matrix(subspace.spread(rows, indices)), momentum);
    c.run(ApplyUpdate{.step = {.weights = {&momentum, 1},
                               .grads = {&inside, 1},
                               .guard = step.guard,
                               .lr = 1 - op.momentum}});
    c.run(NewtonSchulz{.x = rows,
                       .out = rows,
                       .coefficients = op.coefficients,
                       .eps = op.eps,
                       .scale = op.norm_scale,
                       .dtype = op.dtype,
                       .method = op.method});
    update = shaped(subspace.matrix(subspace.spread(rows, indices)), weight);
  }
  step.grads = {&update, 1};
  double scale = shape_scale(op.shape_scale, shape);
  c.run(ApplyUpdate{.step = step, .scales = {&scale, 1}});
}

}  // namespace

void trion(const Trion& op, Composer& c) {
  for (int64_t i = 0; i < op.step.weights.count; ++i) {
    const Composer::Scope scope(c);
    step_one(op, i, c);
  }
}
ORTHOKIT_COMPOSITION(Trion, trion);

}  // namespace orthokit
