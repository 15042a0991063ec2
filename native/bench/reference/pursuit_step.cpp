#include "ops/pursuit_step.h"

#include "bench/reference/least_squares.h"
#include "bench/reference/reference.h"

namespace orthokit::bench {
namespace {

void step_of(const PursuitStep& op, int64_t signal, double largest) {
  const int64_t n = op.correlations.shape[1], depth = op.atoms.shape[1], k = op.indices.shape[1];
  double *indices = values(op.indices) + signal * k,
         *coefficients = values(op.coefficients) + signal * k, &left = values(op.left)[signal],
         &count = values(op.counts)[signal];
  const double whole = values(op.energies)[signal];
  if (count != double(op.step) || left <= std::max(op.tol, op.rel_tol * op.rel_tol * whole)) return;
  std::vector<int64_t> chosen;
  for (int64_t i = 0; i < op.step; ++i) {
    if (indices[i] < 0 || indices[i] >= double(n)) return;
    chosen.push_back(int64_t(indices[i]));
  }
  const double* y = values(op.signals) + signal * depth;
  const auto product = [&](int64_t i, const double* other) {
    double sum = 0;
    for (int64_t j = 0; j < depth; ++j) sum += values(op.atoms)[i * depth + j] * other[j];
    return sum;
  };
  std::vector<double> scores;
  for (int64_t j = 0; j < n; ++j) {
    const double score =
        std::abs(values(op.correlations)[signal * n + j]) * (op.scales ? values(op.scales)[j] : 1);
    scores.push_back(score > 0 ? score : 0);  // NaN is never the largest
  }
  for (int64_t j : chosen) scores[size_t(j)] = 0;
  for (int skips = 0; skips < kMostSkips; ++skips) {
    const int64_t best = highest(scores);
    if (!(scores[size_t(best)] > op.floor * std::sqrt(whole) * largest)) return;
    auto with = chosen;
    with.push_back(best);
    const auto factor = cholesky(with.size(), [&](size_t i, size_t j) {
      return i == j ? values(op.squares)[with[i]]
                    : product(with[i], values(op.atoms) + with[j] * depth);
    });
    const double distance = factor.back().back();
    if (distance * distance > op.dependence * values(op.squares)[best]) {
      std::vector<double> right;
      for (int64_t i : with) right.push_back(product(i, y));
      auto w = solved(factor, right);
      double* rest = values(op.rests) + signal * depth;
      const auto measure = [&] {
        double sum = 0;
        for (int64_t j = 0; j < depth; ++j) {
          rest[j] = y[j];
          for (size_t i = 0; i < w.size(); ++i)
            rest[j] -= w[i] * values(op.atoms)[with[i] * depth + j];
          sum += rest[j] * rest[j];
        }
        return sum;
      };
      for (int64_t refinement = 0; refinement < op.refinements; ++refinement) {
        measure();
        std::vector<double> shares;
        for (int64_t i : with) shares.push_back(product(i, rest));
        shares = solved(factor, shares);
        for (size_t i = 0; i < w.size(); ++i) w[i] += shares[i];
      }
      left = measure(), ++count;
      indices[op.step] = double(best);
      for (size_t i = 0; i < w.size(); ++i) coefficients[i] = w[i];
      double *z = values(op.state) + signal * support_doubles(k),
             *row = z + k + op.step * (op.step + 1) / 2;
      for (int64_t i = 0; i < op.step; ++i) row[i] = factor.back()[size_t(i)];
      row[op.step] = 1 / distance, z[op.step] = right.back();
      for (int64_t i = 0; i < op.step; ++i) z[op.step] -= row[i] * z[i];
      z[op.step] /= distance;
      return;
    }
    if (op.on_dependent == OnDependent::kStop) return;
    scores[size_t(best)] = 0;
  }
}

}  // namespace

static void pursuit_step(const PursuitStep& op) {
  double largest = 0;
  for (int64_t j = 0; j < op.squares.size(); ++j)
    largest = std::max(largest,
                       std::sqrt(values(op.squares)[j]) * (op.scales ? values(op.scales)[j] : 1));
  for (int64_t signal = 0; signal < op.indices.shape[0]; ++signal) step_of(op, signal, largest);
}
ORTHOKIT_REFERENCE(PursuitStep, pursuit_step, 64 * double(1 + op.step));

}  // namespace orthokit::bench
