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

namespace {

// The choice of row i: ln of the sum of its exponentials, the share of each pair, and the factor of
// means.
struct Choice {
  double log_sum, whole = 1;
  std::vector<double> shares;

  Choice(const Softmin& op, int64_t i) : shares(size_t(op.potential.size()), 0.0) {
    const int64_t m = op.potential.size();
    const auto exponent = [&](int64_t j) {
      return (values(op.potential)[j] - cost_of(op, i, j)) / op.eps;
    };
    log_sum = log_sum_of_exps(m, exponent);
    if (is_none()) return;
    // By the largest exponent, which is as exact as the others; their logarithm's rounding is not.
    double most = -HUGE_VAL;
    for (int64_t j = 0; j < m; ++j) most = std::max(most, exponent(j));
    for (int64_t j = 0; j < m; ++j) shares[size_t(j)] = std::exp(exponent(j) - most);
    const double sum = sum_of_terms(m, [&](int64_t j) { return shares[size_t(j)]; });
    for (double& x : shares) x /= sum;
    if (!op.own_potential) return;
    const double exponent_of_whole = values(op.own_potential)[i] / op.eps + log_sum;
    whole = exponent_of_whole < math::kLeastExponent ? 0 : std::exp(exponent_of_whole);
  }
  bool is_none() const { return log_sum == -HUGE_VAL; }
  // A pair without weight has no part in a mean, be it infinitely far.
  template <class Term>
  double mean(Term&& term) const {
    return sum_of_terms(int64_t(shares.size()), [&](int64_t j) {
      return shares[size_t(j)] == 0 ? 0.0 : shares[size_t(j)] * term(j);
    });
  }
};

}  // namespace

static void softmin(const Softmin& op) {
  for (int64_t i = 0; i < op.log_sums.size(); ++i) {
    const Choice choice(op, i);
    values(op.log_sums)[i] = choice.log_sum;
    const auto mean = [&](auto&& term) {
      return choice.is_none() ? 0 : choice.whole * choice.mean(term);
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
static constexpr double kRoundings = 512;
ORTHOKIT_REFERENCE(Softmin, softmin, kRoundings);

// A cost is so many roundings of itself off (distances.h), and an exponent those of what it is the
// difference of. Where all costs of a row have a large part in common, no move of the points shows
// them. A share is as much off as its exponent, and a mean by its shares' errors times what their
// terms differ from it.
static std::vector<double> terms_of(const Softmin& op, std::string_view tensor) {
  const int64_t m = op.potential.size(), d = op.x ? op.x.shape[1] : 0;
  const double of_cost = !op.x                                  ? 0
                         : multiplies_coordinates(op.metric, d) ? 2 * double(d + 4) / kLeastShare
                                                                : double(d + 2);
  // In f64, whatever the dtype of the costs.
  const double unit = in_f64(op.cost ? op.cost : op.x, 1 / kRoundings);
  std::vector<double> terms;
  for (int64_t i = 0; i < op.log_sums.size(); ++i) {
    const Choice choice(op, i);
    std::vector<double> costs, errors;
    for (int64_t j = 0; j < m; ++j) {
      costs.push_back(cost_of(op, i, j));
      errors.push_back(
          ((of_cost + 4) * std::abs(costs.back()) + 4 * std::abs(values(op.potential)[j])) /
          op.eps);
    }
    const double of_sum = choice.mean([&](int64_t j) { return errors[size_t(j)]; });
    const double own = op.own_potential ? std::abs(values(op.own_potential)[i]) / op.eps : 0;
    const double of_whole = op.own_potential ? of_sum + 4 * (own + std::abs(choice.log_sum)) : 0;
    const auto add = [&](auto&& term) {
      const double mean = choice.mean(term);
      terms.push_back(unit * choice.whole *
                      (of_whole * std::abs(mean) + choice.mean([&](int64_t j) {
                        return errors[size_t(j)] * std::abs(term(j) - mean);
                      })));
    };
    if (tensor == "logSums") terms.push_back(unit * of_sum);
    if (tensor == "meanCosts") add([&](int64_t j) { return costs[size_t(j)]; });
    for (int64_t k = 0; tensor == "averages" && k < op.values.shape[1]; ++k)
      add([&](int64_t j) { return values(op.values)[j * op.values.shape[1] + k]; });
    for (int64_t k = 0; tensor == "gradients" && k < d; ++k)
      add([&](int64_t j) { return slope_of(op, i, j, k); });
  }
  return terms;
}
ORTHOKIT_TERMS(Softmin, terms_of);

}  // namespace orthokit::bench
