#include "ops/transport/plan_sparsify.h"

#include "bench/reference/transport/shared/transport.h"

namespace orthokit::bench {

namespace {

struct Plan {
  int64_t n, m;
  std::vector<double> entries;
  explicit Plan(const PlanSparsify& op) : n(op.kernel.shape[0]), m(op.kernel.shape[1]) {
    for (int64_t k = 0; k < n * m; ++k) {
      const double x =
          values(op.row_scale)[k / m] * values(op.kernel)[k] * values(op.column_scale)[k % m];
      entries.push_back(x > 0 && std::isfinite(x) ? x : 0);
    }
  }
  int64_t count_from(double least) const {
    return std::count_if(entries.begin(), entries.end(), [&](double x) { return x >= least; });
  }
  // The power of two under delta / (4 n m).
  double floor_of(double delta) const {
    const double share = delta / (4.0 * double(n * m));
    return share > 0x1p-1022 ? std::ldexp(1.0, std::ilogb(share)) : 0x1p-1022;
  }
  // A bound on the sum of the entries below a power of two.
  double mass_below(double threshold, double delta) const {
    double mass = delta / 4;
    for (double x : entries)
      if (x < threshold && x >= floor_of(delta)) mass += std::ldexp(1.0, std::ilogb(x) + 1);
    return mass;
  }
};

double threshold_of(const PlanSparsify& op, const Plan& plan) {
  if (op.threshold > 0) return op.threshold;
  double largest = 0;
  for (double x : plan.entries) largest = std::max(largest, x);
  const double floor = plan.floor_of(op.delta);
  if (largest < floor) return floor;
  double threshold = std::ldexp(1.0, std::ilogb(largest));
  while (threshold > floor && plan.mass_below(threshold, op.delta) > op.delta) threshold /= 2;
  // Bins that hold nothing do not stop it.
  while (plan.mass_below(threshold, op.delta) == plan.mass_below(2 * threshold, op.delta))
    threshold *= 2;
  const int64_t room = std::max<int64_t>(0, op.columns.shape[0] - plan.n - plan.m);
  while (plan.count_from(threshold) > room) threshold *= 2;
  return threshold;
}

}  // namespace

static void plan_sparsify(const PlanSparsify& op) {
  const Plan plan(op);
  const int64_t n = plan.n, m = plan.m;
  const double threshold = threshold_of(op, plan);
  std::vector<bool> kept(size_t(n * m));
  const auto entry = [&](int64_t i, int64_t j) { return plan.entries[size_t(i * m + j)]; };
  for (int64_t k = 0; k < n * m; ++k) kept[size_t(k)] = plan.entries[size_t(k)] >= threshold;
  for (int64_t i = 0; op.threshold == 0 && i < n; ++i) {
    int64_t best = 0;
    for (int64_t j = 1; j < m; ++j) best = entry(i, j) > entry(i, best) ? j : best;
    if (m > 0 && entry(i, best) > 0) kept[size_t(i * m + best)] = true;
  }
  for (int64_t j = 0; op.threshold == 0 && j < m; ++j) {
    int64_t best = 0;
    for (int64_t i = 1; i < n; ++i) best = entry(i, j) > entry(best, j) ? i : best;
    if (n > 0 && entry(best, j) > 0) kept[size_t(best * m + j)] = true;
  }
  const int64_t total = std::count(kept.begin(), kept.end(), true);
  const bool fits = total <= op.columns.shape[0];
  values(op.statistics)[0] = double(total), values(op.statistics)[1] = threshold;
  int64_t at = 0;
  for (int64_t i = 0; i <= n; ++i) {
    values(op.starts)[i] = fits ? double(at) : 0;
    for (int64_t j = 0; fits && i < n && j < m; ++j)
      if (kept[size_t(i * m + j)])
        values(op.columns)[at] = double(j), values(op.values)[at] = entry(i, j), ++at;
  }
}
ORTHOKIT_REFERENCE(PlanSparsify, plan_sparsify, in_f64(op.kernel, 4));

}  // namespace orthokit::bench
