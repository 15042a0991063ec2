#include "ops/orthogonal_step.h"

#include "core/device.h"
#include "ops/copy.h"
#include "ops/momentum.h"
#include "ops/newton_schulz.h"

namespace orthokit {
namespace {

// Where the statistics of a single parameter hold Σg².
View gradient_sum(const Step& step) {
  View first{.data = step.statistics.data, .rank = 1, .dtype = Dtype::kF64, .device = step.statistics.device};
  first.shape[0] = 1;
  return first;
}

}  // namespace

OrthogonalUpdate orthogonal_update(const OrthogonalStep& op, int64_t i, Device& d) {
  const View& weight = op.step.weights[i];
  const Matrices m = matrices(weight);
  View update = d.temporary(shape_of(weight), weight.dtype == Dtype::kF64 ? Dtype::kF64 : Dtype::kF32);
  const View squares = op.step.statistics ? d.temporary({1}, Dtype::kF64) : View{};
  // A step that its guard holds back leaves the sum as it was.
  if (squares) d.run(Copy{.out = {squares}, .x = {gradient_sum(op.step.only(i))}});
  Momentum momentum{.grads = {&op.step.grads[i], 1},
                    .momenta = {&op.momenta[i], 1},
                    .out = {&update, 1},
                    .guard = op.step.guard,
                    .squares = squares,
                    .momentum = op.momentum,
                    .dampening = op.dampening,
                    .l2 = op.step.l2(),
                    .nesterov = op.nesterov,
                    .form = op.form};
  if (op.step.l2() != 0) momentum.weights = {&op.step.weights[i], 1};
  d.run(momentum);
  View matrix = update;
  matrix.rank = 3;
  matrix.shape[0] = m.batch, matrix.shape[1] = m.rows, matrix.shape[2] = m.columns;
  d.run(NewtonSchulz{.x = matrix, .out = matrix, .coefficients = op.coefficients, .eps = op.eps, .scale = op.norm_scale});
  return {update, squares};
}

void restore_gradient_sum(const Step& step, const OrthogonalUpdate& update, Device& d) {
  if (!update.squares) return;
  d.run(Copy{.out = {gradient_sum(step)}, .x = {update.squares}});
}

}  // namespace orthokit
