#include "ops/optimizers/adagrad_norm.h"

#include "bench/reference/optimizers/shared/step.h"

namespace orthokit::bench {

// The coordinates of parameter t that share one accumulator, and which.
static int64_t group_of(const AdagradNorm& op, int64_t t, int64_t i) {
  if (op.scope != NormScope::kRows) return 0;
  const int64_t groups = op.squares[t].size(), size = op.step.weights[t].size();
  return i / (size / groups);
}

static void adagrad_norm(const AdagradNorm& op) {
  const Step& step = op.step;
  if (is_held(step.guard)) return;
  long double all = 0;
  for (int64_t t = 0; t < step.weights.count; ++t) {
    const Vector g = decayed_gradient(step, t);
    std::vector<long double> own(size_t(op.squares[t].size()));
    for (size_t i = 0; i < g.size(); ++i) {
      const long double square = static_cast<long double>(g[i]) * g[i];
      all += square;
      if (op.scope != NormScope::kGlobal) own[size_t(group_of(op, t, int64_t(i)))] += square;
    }
    for (size_t i = 0; i < own.size(); ++i) values(op.squares[t])[i] += double(own[i]);
  }
  if (op.scope == NormScope::kGlobal && op.squares.count > 0) {
    const double total = double(*values(op.squares[0]) + all);
    for (auto& square : op.squares) *values(square) = total;
  }
  for (int64_t t = 0; t < step.weights.count; ++t) {
    const double count = ++*values(op.steps[t]);
    Vector u = decayed_gradient(step, t);
    for (size_t i = 0; i < u.size(); ++i) {
      const double square = values(op.squares[t])[group_of(op, t, int64_t(i))];
      u[i] = square == 0 ? 0 : u[i] / (std::sqrt(square) + op.eps);
    }
    note(step, t, apply(step, t, u, step.lr / (1 + (count - 1) * op.lr_decay)));
  }
}
ORTHOKIT_REFERENCE(AdagradNorm, adagrad_norm, kElementwise);

}  // namespace orthokit::bench
