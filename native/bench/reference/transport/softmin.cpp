#include "ops/transport/softmin.h"

#include "bench/reference/transport/shared/distances.h"

namespace orthokit::bench {

static double cost_of(const Softmin& op, int64_t i, int64_t j) {
  if (!op.cost) return distance_of(op.x, op.y, op.metric, i, j);
  return values(
      op.cost)[op.of == CostSide::kRows ? i * op.cost.shape[1] + j : j * op.cost.shape[1] + i];
}

static double slope_of(const Softmin& op, int64_t i, int64_t j, int64_t k) {
  const int64_t d = op.x.shape[1];
  const double by = values(op.x)[i * d + k] - values(op.y)[j * d + k];
  if (op.metric == Metric::kSqeuclidean) return 2 * by;
  if (op.metric == Metric::kL1) return by > 0 ? 1 : by < 0 ? -1 : 0;
  const double distance = cost_of(op, i, j);
  return distance > 0 ? by / distance : 0;
}

static void softmin(const Softmin& op) {
  const int64_t n = op.log_sums.size(), m = op.potential.size();
  std::vector<double> share(size_t(m), 0.0);
  for (int64_t i = 0; i < n; ++i) {
    const auto exponent = [&](int64_t j) {
      return (values(op.potential)[j] - cost_of(op, i, j)) / op.eps;
    };
    const double log_sum = log_sum_of_exps(m, exponent);
    values(op.log_sums)[i] = log_sum;
    const bool is_none = log_sum == -HUGE_VAL;
    // By the largest exponent, which is as exact as the others; their logarithm's rounding is not.
    double most = -HUGE_VAL;
    for (int64_t j = 0; j < m; ++j) most = std::max(most, exponent(j));
    for (int64_t j = 0; j < m; ++j) share[size_t(j)] = is_none ? 0 : std::exp(exponent(j) - most);
    const double sum = sum_of_terms(m, [&](int64_t j) { return share[size_t(j)]; });
    for (double& x : share) x /= sum;
    const double whole =
        op.own_potential ? std::exp(values(op.own_potential)[i] / op.eps + log_sum) : 1;
    const auto mean = [&](auto&& term) {
      if (is_none) return 0.0;
      // A pair without weight has no part in a mean, be it infinitely far.
      return whole * sum_of_terms(m, [&](int64_t j) {
               return share[size_t(j)] == 0 ? 0.0 : share[size_t(j)] * term(j);
             });
    };
    if (op.mean_costs)
      values(op.mean_costs)[i] = mean([&](int64_t j) { return cost_of(op, i, j); });
    const int64_t width = op.values ? op.values.shape[1] : 0;
    for (int64_t k = 0; k < width; ++k)
      values(op.averages)[i * width + k] =
          mean([&](int64_t j) { return values(op.values)[j * width + k]; });
    const int64_t d = op.gradients ? op.x.shape[1] : 0;
    for (int64_t k = 0; k < d; ++k)
      values(op.gradients)[i * d + k] = mean([&](int64_t j) { return slope_of(op, i, j, k); });
  }
}
ORTHOKIT_REFERENCE(Softmin, softmin, 512);

}  // namespace orthokit::bench
