#include "ops/pursuit/gram_pursuit.h"

#include "bench/reference/pursuit/shared/least_squares.h"
#include "bench/reference/reference.h"

namespace orthokit::bench {
namespace {

void pursue(const GramPursuit& op, int64_t signal, double largest) {
  const int64_t n = op.gram.shape[1], k = op.indices.shape[1];
  const double* p0 = values(op.correlations) + signal * n;
  const double whole = op.energies ? values(op.energies)[signal] : NAN;
  const double target = std::max(op.limits.tol, op.limits.rel_tol * op.limits.rel_tol * whole);
  double energy = whole, floor = -1;
  std::vector<int64_t> chosen;
  std::vector<double> w, right;
  Rows factor;
  while (int64_t(chosen.size()) < k && !(energy <= target)) {
    std::vector<double> scores;
    for (int64_t j = 0; j < n; ++j) {
      double p = p0[j];
      for (size_t i = 0; i < chosen.size(); ++i) p -= w[i] * values(op.gram)[chosen[i] * n + j];
      const double score = std::abs(p) * (op.scales ? values(op.scales)[j] : 1);
      scores.push_back(score > 0 ? score : 0);  // NaN is never the largest
    }
    for (int64_t j : chosen) scores[size_t(j)] = 0;
    bool found = false;
    for (int skips = 0; skips < kMostSkips && !found; ++skips) {
      const int64_t best = highest(scores);
      if (floor < 0)
        floor = op.limits.floor * (op.energies ? std::sqrt(whole) * largest : scores[size_t(best)]);
      if (!(scores[size_t(best)] > floor)) break;
      std::vector<double> products;
      for (int64_t j : chosen) products.push_back(values(op.gram)[best * n + j]);
      const auto row = next_row(factor, products, values(op.squares)[best]);
      found = row.back() * row.back() > op.limits.dependence * values(op.squares)[best];
      if (found)
        chosen.push_back(best), right.push_back(p0[best]), factor.push_back(row);
      else if (op.limits.on_dependent == OnDependent::kStop)
        break;
      else
        scores[size_t(best)] = 0;
    }
    if (!found) break;
    w = solved_up(factor, solved_down(factor, right));
    energy = whole;
    for (size_t i = 0; i < w.size(); ++i) energy -= w[i] * right[i];
  }
  for (int64_t i = 0; i < k; ++i) {
    const bool used = i < int64_t(chosen.size());
    values(op.indices)[signal * k + i] = used ? double(chosen[size_t(i)]) : -1;
    values(op.coefficients)[signal * k + i] = used ? w[size_t(i)] : 0;
  }
  values(op.counts)[signal] = double(chosen.size());
  values(op.residuals)[signal] = std::sqrt(energy < 0 ? 0 : energy);
}

}  // namespace

static void gram_pursuit(const GramPursuit& op) {
  double largest = 0;
  for (int64_t j = 0; j < op.squares.size(); ++j)
    largest = std::max(largest,
                       std::sqrt(values(op.squares)[j]) * (op.scales ? values(op.scales)[j] : 1));
  for (int64_t signal = 0; signal < op.indices.shape[0]; ++signal) pursue(op, signal, largest);
}
// Of cases without atoms and signals. The examples' Gram matrices are far from singular.
ORTHOKIT_REFERENCE(GramPursuit, gram_pursuit, 64 * double(1 + op.indices.shape[1]));

}  // namespace orthokit::bench
