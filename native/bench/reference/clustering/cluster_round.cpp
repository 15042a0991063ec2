#include "ops/clustering/cluster_round.h"

#include <algorithm>
#include <limits>

#include "bench/reference/reference.h"

namespace orthokit::bench {
namespace {

using Numbers = std::vector<double>;

// Of the terms of each energy in the last run, which cancel: it may be near 0. Of weights: a share
// that mean shift found changes by rounding of its row's distance over 2σ², one of a soft mean by
// that of its exponent.
thread_local Numbers energy_terms, weight_terms, share_terms;
// Tasks of the last run in which rounding decides a label, and so which clusters vanish.
thread_local std::vector<bool> is_open;

struct PlainRound {
  const ClusterRound& op;
  int64_t n, k, task;
  const double* g;
  double* weights;
  Numbers w;  // of the graph, a dense matrix

  PlainRound(const ClusterRound& op, int64_t t)
      : op(op), n(op.rows()), k(op.clusters()), task(t), w(size_t(n * n)) {
    g = values(op.products) + t * n * n, weights = values(op.weights) + t * k * n;
    Numbers raw(size_t(n * n));
    for (int64_t i = 0; i < n; ++i)
      for (int64_t e = 0; e < op.degree(); ++e) {
        const auto j = int64_t(values(op.neighbours)[(t * n + i) * op.degree() + e]);
        if (j >= 0 && j < n) raw[size_t(i * n + j)] += 1;
      }
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < n; ++j) {
        const double half = (raw[size_t(i * n + j)] + raw[size_t(j * n + i)]) / 2;
        w[size_t(i * n + j)] += op.graph == GraphForm::kRaw ? raw[size_t(i * n + j)] : half;
        if (op.graph == GraphForm::kPsd) w[size_t(i * n + i)] += half;
      }
  }
  // |xᵢ − c|² of a center that is a sum of rows, and the size of the products that cancel in it.
  struct Distance {
    double value, terms;
  };
  Distance distance_of(int64_t i, const double* center) const {
    long double d = 0, terms = 0;
    const auto add = [&](long double term) { d += term, terms += std::abs(term); };
    add(g[i * n + i]);
    for (int64_t j = 0; j < n; ++j) {
      if (center[j] == 0) continue;
      add(-2 * (long double)(center[j]) * g[j * n + i]);
      for (int64_t l = 0; l < n; ++l) add((long double)(center[j]) * center[l] * g[j * n + l]);
    }
    return {double(std::max(d, 0.0L)), double(terms)};
  }
  double distance(int64_t i, const double* center) const { return distance_of(i, center).value; }
  // Of two shares of a row that rounding may turn.
  double margin() const { return 4 * growth_of_sum(n * k) * 0x1p-53; }
  double sigma_square() const {
    return std::max(values(op.sigma_squares)[task], ClusterRound::kLeastSquare);
  }
  // a, and what its relative rounding is of: the products of a distance, by which an exponential
  // changes as much.
  struct Costs {
    Numbers values, terms;
  };
  Costs costs() const {
    Costs a;
    for (int64_t i = 0; i < n; ++i)
      for (int64_t c = 0; c < k; ++c) {
        const auto [d, terms] = distance_of(i, weights + c * n);
        if (op.sigma_squares) {
          const double near = std::exp(-d / (2 * sigma_square()));
          a.values.push_back(-op.temperature * near);
          a.terms.push_back(std::abs(op.temperature) * near * (1 + terms / (2 * sigma_square())));
        } else {
          a.values.push_back(op.temperature * d);
          a.terms.push_back(std::abs(op.temperature) * terms);
        }
      }
    return a;
  }
  Numbers smoothed(const Numbers& z) const {
    Numbers y(z.size());
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < n; ++j) {
        // A row that is no neighbour is not read, NaN or not; a row itself is, by the sum of 'psd'.
        if (w[size_t(i * n + j)] == 0 && (i != j || op.graph == GraphForm::kRaw)) continue;
        for (int64_t c = 0; c < k; ++c)
          y[size_t(i * k + c)] += w[size_t(i * n + j)] * z[size_t(j * k + c)];
      }
    return y;
  }
  void clamp(Numbers& z) const {
    for (int64_t i = 0; i < op.fixed_rows(); ++i)
      for (int64_t c = 0; c < k; ++c)
        z[size_t(i * k + c)] = c == int64_t(values(op.fixed)[task * op.fixed_rows() + i]) ? 1 : 0;
  }
  Numbers assigned(const Numbers& a, const Numbers& y) const {
    Numbers z(a.size());
    for (int64_t i = 0; i < n; ++i) {
      double largest = -INFINITY, sum = 0;
      for (int64_t at = i * k; at < (i + 1) * k; ++at) {
        z[size_t(at)] = op.lambda * y[size_t(at)] - a[size_t(at)];
        largest = std::max(largest, z[size_t(at)]);
      }
      for (int64_t at = i * k; at < (i + 1) * k; ++at) sum += std::exp(z[size_t(at)] - largest);
      for (int64_t at = i * k; at < (i + 1) * k; ++at)
        z[size_t(at)] = std::exp(z[size_t(at)] - largest) / sum;
    }
    clamp(z);
    return z;
  }
  double energy(const Costs& a, const Numbers& z, double& terms) const {
    const Numbers y = smoothed(z);
    long double sum = 0;
    terms = 0;
    const auto add = [&](long double term) { sum += term, terms += std::abs(double(term)); };
    for (size_t i = 0; i < z.size(); ++i) {
      if (z[i] > 0) add((long double)(z[i]) * std::log(z[i]));
      if (z[i] > 0) add((long double)(a.values[i]) * z[i]), terms += a.terms[i] * z[i];
      add((long double)(-op.lambda) / 2 * z[i] * y[i]);
    }
    return double(sum);
  }
  // Shares of the rows in the next center, and the largest of what their relative rounding is of.
  struct Center {
    Numbers shares;
    double terms = 1;
  };
  Center center_over(const std::vector<int64_t>& members, const double* center) const {
    Center next{Numbers(size_t(n), 0.0)};
    double least = INFINITY, sum = 0;
    for (int64_t i : members) least = std::min(least, distance(i, center));
    for (int64_t i : members) {
      const auto [d, terms] = distance_of(i, center);
      next.terms = std::max(next.terms, 1 + terms / (2 * sigma_square()));
      sum += next.shares[size_t(i)] = std::exp((least - d) / (2 * sigma_square()));
    }
    for (double& x : next.shares) x /= sum;
    return next;
  }
  void shift(const std::vector<int64_t>& members, double* center) const {
    for (int round = 0; round < ClusterRound::kMostShifts; ++round) {
      const auto [next, terms] = center_over(members, center);
      std::fill_n(weight_terms.data() + (center - values(op.weights)), n, terms);
      long double moved = 0;
      for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < n; ++j)
          moved += (long double)(next[size_t(i)] - center[i]) * (next[size_t(j)] - center[j]) *
                   g[i * n + j];
      std::ranges::copy(next, center);
      if (moved <= ClusterRound::kShiftTolerance * ClusterRound::kShiftTolerance) return;
    }
  }
  // An exponential's rounding is of its exponent, in which each step has lambda times the shares of
  // its row's neighbours. The smallest, about where normal numbers end, may be 0.
  double terms_of_share(double share, int64_t row) const {
    constexpr double kSmallest = 4 * std::numeric_limits<double>::min();
    if (share > 0 && share < kSmallest) return kSmallest * 0x1p53;
    double degree = 0;
    for (int64_t j = 0; j < n; ++j) degree += w[size_t(row * n + j)];
    return share > 0 ? share * (1 - std::log(share) + op.lambda * degree * double(op.steps())) : 0;
  }
  // A step enlarges what rounding has changed where rows may go to either of two clusters, by how
  // much depends on all of them. It is seen by the same steps with costs changed by kChange of what
  // their rounding is of, and shares after each step, up or down as random numbers say.
  static constexpr double kChange = 0x1p-33;
  static constexpr int kChanges = 4;
  struct ChangedSteps {
    Costs costs;
    Numbers z;
    uint64_t next;
    double change() {
      next = next * 6364136223846793005 + 1442695040888963407;
      return next >> 63 ? kChange : -kChange;
    }
    ChangedSteps(const PlainRound& round, const Costs& a, const Numbers& start, int number)
        : costs(a), z(start), next(uint64_t(number)) {
      for (size_t i = 0; i < z.size(); ++i) costs.values[i] += costs.terms[i] * change();
      if (round.op.start != RoundStart::kKept) set(round, Numbers(z.size()));
    }
    void step(const PlainRound& round) { set(round, round.smoothed(z)); }
    void set(const PlainRound& round, const Numbers& y) {
      z = round.assigned(costs.values, y);
      for (double& share : z) share *= 1 + change();
      round.clamp(z);
    }
  };
  // The growth of a change over the steps. Where it is no small share of `size` nothing is known. A
  // value that is not finite is compared as it is.
  static double growth_of(double changed, double value, double size) {
    if (!std::isfinite(value)) return 0;
    const double d = std::abs(changed - value);
    return d <= 0x1p-4 * size ? d / kChange : INFINITY;
  }
  // The size that a share's relative rounding is of.
  static double drift_of(const std::vector<ChangedSteps>& all, const Numbers& z, size_t at) {
    double sum = 0;
    for (const auto& changed : all) sum += growth_of(changed.z[at], z[at], 1);
    return sum;
  }
  // True if rounding decides which share of a row is the largest.
  bool is_tie(const std::vector<ChangedSteps>& all, const Numbers& z, int64_t row) const {
    const auto first = z.begin() + row * k, largest = std::max_element(first, first + k);
    for (auto other = first; other < first + k; ++other) {
      const double drift = drift_of(all, z, size_t(other - z.begin())) +
                           drift_of(all, z, size_t(largest - z.begin()));
      if (other != largest && *largest - *other <= margin() * (1 + drift)) return true;
    }
    return false;
  }
  void run() const {
    const Costs costs_of_all = costs();
    const Numbers& a = costs_of_all.values;
    double* kept = values(op.z) + task * n * k;
    Numbers z = assigned(a, Numbers(a.size()));
    if (op.start == RoundStart::kKept) z.assign(kept, kept + n * k), clamp(z);
    double* energies = values(op.energies) + task * op.steps();
    int64_t step = 0;
    std::vector<ChangedSteps> all;
    for (int i = 0; i < kChanges; ++i) all.emplace_back(*this, costs_of_all, z, i);
    do {
      z = assigned(a, smoothed(z));
      double& terms = energy_terms[size_t(task * op.steps() + step)];
      energies[step] = energy(costs_of_all, z, terms);
      for (auto& changed : all) {
        double size;
        changed.step(*this);
        const double value = energy(changed.costs, changed.z, size);
        terms += growth_of(value, energies[step], size);
      }
      ++step;
    } while (step < op.steps() && !(step > 1 && std::abs(energies[step - 1] - energies[step - 2]) <
                                                    op.tol * std::abs(energies[step - 1])));
    values(op.taken)[task] = double(step);
    std::vector<std::vector<int64_t>> members(static_cast<size_t>(k));
    std::vector<int64_t> chosen;
    for (int64_t i = 0; i < n; ++i) {
      const auto first = z.begin() + i * k, largest = std::max_element(first, first + k);
      chosen.push_back(largest - first);
      if (i >= op.fixed_rows() && is_tie(all, z, i)) is_open[size_t(task)] = true;
      members[size_t(chosen.back())].push_back(i);
    }
    const auto missing = std::ranges::count_if(members, [](auto& m) { return m.empty(); });
    values(op.vanished)[task] = double(missing);
    double* labels = values(op.labels) + task * n;
    if (missing > 0 && labels[0] >= 0) return;
    std::ranges::copy(z, kept), std::ranges::copy(chosen, labels);
    for (size_t i = 0; i < z.size(); ++i)
      share_terms[size_t(task * n * k) + i] =
          terms_of_share(z[i], int64_t(i) / k) + drift_of(all, z, i);
    if (missing > 0 || op.update == CenterUpdate::kNone) return;
    for (int64_t c = 0; c < k; ++c) {
      double* center = weights + c * n;
      if (op.sigma_squares) {
        shift(members[size_t(c)], center);
        continue;
      }
      const auto share = [&](int64_t i) {
        return op.update == CenterUpdate::kSoft ? z[size_t(i * k + c)]
                                                : double(chosen[size_t(i)] == c);
      };
      const auto drift = [&](int64_t i) { return drift_of(all, z, size_t(i * k + c)); };
      double sum = 0, drifts = 0;
      for (int64_t i = 0; i < n; ++i) sum += share(i), drifts += drift(i);
      if (sum < ClusterRound::kLeastShare) continue;
      for (int64_t i = 0; i < n; ++i) {
        center[i] = share(i) / sum;
        if (op.update != CenterUpdate::kSoft) continue;
        const double own = terms_of_share(share(i), i) + drift(i);
        const double of_sum = center[i] > 0 ? center[i] * drifts : 0;
        weight_terms[size_t((task * k + c) * n + i)] = (own + of_sum) / sum;
      }
    }
  }
};

}  // namespace

static void cluster_round(const ClusterRound& op) {
  energy_terms.assign(size_t(op.energies.size()), 0.0);
  weight_terms.assign(size_t(op.weights.size()), 0.0);
  share_terms.assign(size_t(op.z.size()), 0.0);
  is_open.assign(size_t(op.tasks()), false);
  for (int64_t t = 0; op.rows() > 0 && t < op.tasks(); ++t)
    if (!op.active || values(op.active)[t] != 0) PlainRound(op, t).run();
}
ORTHOKIT_REFERENCE(ClusterRound, cluster_round, growth_of_sum(op.rows() * op.clusters()));

static Numbers terms_of(const ClusterRound& op, std::string_view tensor) {
  Numbers terms;
  if (tensor == "energies") return energy_terms;
  if (tensor == "z") terms = share_terms;
  if (tensor == "weights") terms = weight_terms;
  if (tensor == "labels") terms.assign(size_t(op.labels.size()), 0.0);
  if (tensor == "vanished") terms.assign(size_t(op.vanished.size()), 0.0);
  for (size_t i = 0; i < terms.size(); ++i)
    if (is_open[i / (terms.size() / is_open.size())]) terms[i] = kUnsteady;
  return terms;
}
ORTHOKIT_SOME_TERMS(ClusterRound, terms_of);

}  // namespace orthokit::bench
