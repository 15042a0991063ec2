#include "ops/optimizers/shared/orthogonal_step.h"

#include "core/composer.h"
#include "ops/optimizers/commit.h"
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

std::vector<Group> groups_of(const List<View>& weights) {
  constexpr int64_t kMostTogether = int64_t(1) << 22;  // elements
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

MomentumUpdates::MomentumUpdates(const Step& all, const List<View>& all_momenta,
                                 const MomentumRule& rule, const Group& group, Composer& composer)
    : all_(all), rows_(group.begin(), group.end()) {
  const int64_t n = int64_t(group.size());
  int64_t batch = 0;
  for (const int64_t i : group) batch += matrices(all.weights[i]).batch;
  const View& first = all.weights[group[0]];
  const Matrices m = matrices(first);
  together_ = composer.temporary({batch, m.rows, m.columns}, update_dtype(first));
  if (all.statistics) grad_squares_ = composer.temporary({n}, Dtype::kF64);

  std::vector<View> grads, momenta;
  for (int64_t at = 0, matrix = 0; at < n; ++at) {
    const int64_t i = group[size_t(at)];
    weights_.push_back(all.weights[i]);
    if (all.masters.count > 0) masters_.push_back(all.masters[i]);
    grads.push_back(all.grads[i]), momenta.push_back(all_momenta[i]);
    View update = all.weights[i];
    update.dtype = together_.dtype;
    update.data = matrix_of(together_, matrix).data;
    updates_.push_back(update);
    matrix += matrices(update).batch;
  }
  Momentum momentum{.grads = list(grads),
                    .momenta = list(momenta),
                    .out = list(updates_),
                    .guard = all.guard,
                    .squares = grad_squares_,
                    .momentum = rule.momentum,
                    .dampening = rule.dampening,
                    .l2 = all.l2(),
                    .nesterov = rule.nesterov ? Nesterov::kOn : Nesterov::kOff,
                    .form = rule.form};
  if (all.l2() != 0) {
    momentum.weights = list(weights_);
    if (all.masters.count > 0) momentum.masters = list(masters_);
  }
  composer.run(momentum);
}

void MomentumUpdates::commit_momenta(const List<View>& all, Composer& composer) {
  std::vector<View> momenta;
  for (const double row : rows_) momenta.push_back(all[int64_t(row)]);
  composer.run(Commit{.state = list(momenta), .x = list(updates_), .guard = all_.guard});
}

OrthogonalUpdates::OrthogonalUpdates(const OrthogonalStep& op, const Group& group,
                                     Composer& composer)
    : MomentumUpdates(op.step, op.momenta, op.rule(), group, composer) {
  composer.run(op.orthogonalization.of(together()));
}

Step MomentumUpdates::step() {
  Step step = without_l2(all_);
  step.weights = list(weights_), step.grads = list(updates_);
  if (all_.masters.count > 0) step.masters = list(masters_);
  if (!step.statistics) return step;
  step.grad_squares = grad_squares_;
  step.statistics_rows = {rows_.data(), count()};
  return step;
}

}  // namespace orthokit
