#include "ops/optimizers/shared/orthogonal_step.h"

#include "core/composer.h"
#include "ops/optimizers/momentum.h"
#include "ops/products/newton_schulz.h"

namespace orthokit {
namespace {

// The dtype in which momentum is computed and handed to Newton–Schulz.
Dtype update_dtype(const View& weight) {
  return weight.dtype == Dtype::kF64 ? Dtype::kF64 : Dtype::kF32;
}

bool go_together(const View& a, const View& b) {
  const Matrices x = matrices(a), y = matrices(b);
  return a.rank >= 2 && b.rank >= 2 && a.size() > 0 && b.size() > 0 && x.rows == y.rows &&
         x.columns == y.columns && update_dtype(a) == update_dtype(b);
}

}  // namespace

std::vector<Group> groups_of(const OrthogonalStep& op) {
  constexpr int64_t kMostTogether = int64_t(1) << 22;  // elements
  const List<View>& weights = op.step.weights;
  std::vector<Group> groups;
  std::vector<bool> taken(size_t(weights.count));
  for (int64_t i = 0; i < weights.count; ++i) {
    if (taken[size_t(i)]) continue;
    groups.push_back({i});
    int64_t elements = weights[i].size();
    for (int64_t j = i + 1; j < weights.count; ++j) {
      if (taken[size_t(j)] || !go_together(weights[i], weights[j])) continue;
      if (elements + weights[j].size() > kMostTogether) continue;
      elements += weights[j].size();
      taken[size_t(j)] = true;
      groups.back().push_back(j);
    }
  }
  return groups;
}

OrthogonalUpdates::OrthogonalUpdates(const OrthogonalStep& op, const Group& group,
                                     Composer& composer)
    : op_(op), rows_(group.begin(), group.end()) {
  const Step& all = op.step;
  const int64_t n = int64_t(group.size());
  int64_t batch = 0;
  for (const int64_t i : group) batch += matrices(all.weights[i]).batch;
  const View& first = all.weights[group[0]];
  const Matrices m = matrices(first);
  const View together = composer.temporary({batch, m.rows, m.columns}, update_dtype(first));
  if (all.statistics) grad_squares_ = composer.temporary({n}, Dtype::kF64);

  std::vector<View> grads, momenta;
  for (int64_t at = 0, matrix = 0; at < n; ++at) {
    const int64_t i = group[size_t(at)];
    weights_.push_back(all.weights[i]);
    if (all.masters.count > 0) masters_.push_back(all.masters[i]);
    grads.push_back(all.grads[i]), momenta.push_back(op.momenta[i]);
    View update = all.weights[i];
    update.dtype = together.dtype;
    update.data = matrix_of(together, matrix).data;
    updates_.push_back(update);
    matrix += matrices(update).batch;
  }
  Momentum momentum{.grads = list(grads),
                    .momenta = list(momenta),
                    .out = list(updates_),
                    .guard = all.guard,
                    .squares = grad_squares_,
                    .momentum = op.momentum,
                    .dampening = op.dampening,
                    .l2 = all.l2(),
                    .nesterov = op.nesterov,
                    .form = op.form};
  if (all.l2() != 0) {
    momentum.weights = list(weights_);
    if (all.masters.count > 0) momentum.masters = list(masters_);
  }
  composer.run(momentum);
  composer.run(NewtonSchulz{.x = together,
                            .out = together,
                            .coefficients = op.coefficients,
                            .eps = op.eps,
                            .scale = op.norm_scale,
                            .dtype = op.dtype,
                            .method = op.method});
}

Step OrthogonalUpdates::step() {
  Step step = without_l2(op_.step);
  step.weights = list(weights_), step.grads = list(updates_);
  if (op_.step.masters.count > 0) step.masters = list(masters_);
  if (!step.statistics) return step;
  step.grad_squares = grad_squares_;
  step.statistics_rows = {rows_.data(), count()};
  return step;
}

}  // namespace orthokit
