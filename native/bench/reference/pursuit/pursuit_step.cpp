#include "ops/pursuit/pursuit_step.h"

#include "bench/reference/operands.h"
#include "bench/reference/pursuit/shared/least_squares.h"
#include "bench/reference/reference.h"

namespace orthokit::bench {
namespace {

void step_of(const PursuitStep& op, int64_t signal, double largest) {
  const int64_t n = op.correlations.shape[1], depth = op.atoms.shape[1], k = op.indices.shape[1];
  double *indices = values(op.indices) + signal * k,
         *coefficients = values(op.coefficients) + signal * k, &left = values(op.left)[signal],
         &count = values(op.counts)[signal];
  const double whole = values(op.energies)[signal];
  if (count != double(op.step) ||
      left <= std::max(op.limits.tol, op.limits.rel_tol * op.limits.rel_tol * whole))
    return;
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
  double* z = values(op.state) + signal * support_doubles(k);
  const auto row_of = [&](int64_t i) { return z + k + i * (i + 1) / 2; };
  Rows factor;
  for (int64_t i = 0; i < op.step; ++i) {
    factor.emplace_back(row_of(i), row_of(i) + i + 1);
    factor.back().back() = 1 / factor.back().back();
  }
  for (int skips = 0; skips < kMostSkips; ++skips) {
    const int64_t best = highest(scores);
    if (!(scores[size_t(best)] > op.limits.floor * std::sqrt(whole) * largest)) return;
    const double* atom = values(op.atoms) + best * depth;
    std::vector<double> products;
    for (int64_t i : chosen) products.push_back(product(i, atom));
    const auto row = next_row(factor, products, values(op.squares)[best]);
    if (row.back() * row.back() > op.limits.dependence * values(op.squares)[best]) {
      double share = product(best, y);
      for (int64_t i = 0; i < op.step; ++i) share -= row[size_t(i)] * z[i];
      z[op.step] = share / row.back();
      for (int64_t i = 0; i < op.step; ++i) row_of(op.step)[i] = row[size_t(i)];
      row_of(op.step)[op.step] = 1 / row.back();
      factor.push_back(row), chosen.push_back(best);
      auto w = solved_up(factor, {z, z + op.step + 1});
      double* rest = values(op.rests) + signal * depth;
      const auto measure = [&] {
        double sum = 0;
        for (int64_t j = 0; j < depth; ++j) {
          rest[j] = y[j];
          for (size_t i = 0; i < w.size(); ++i)
            rest[j] -= w[i] * values(op.atoms)[chosen[i] * depth + j];
          sum += rest[j] * rest[j];
        }
        return sum;
      };
      for (int64_t refinement = 0; refinement < op.limits.refinements; ++refinement) {
        measure();
        std::vector<double> shares;
        for (int64_t i : chosen) shares.push_back(product(i, rest));
        shares = solved_up(factor, solved_down(factor, shares));
        for (size_t i = 0; i < w.size(); ++i) w[i] += shares[i];
      }
      left = measure(), ++count;
      indices[op.step] = double(best);
      for (size_t i = 0; i < w.size(); ++i) coefficients[i] = w[i];
      return;
    }
    if (op.limits.on_dependent == OnDependent::kStop) return;
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

// A residual is of coefficients that are rounded to the dtype of their tensor: where little is left
// of a signal, it is what they leave.
static std::vector<double> terms_of(const PursuitStep& op, std::string_view tensor) {
  if (tensor != "residuals" && tensor != "residualEnergies") return {};
  const int64_t depth = op.atoms.shape[1], k = op.indices.shape[1];
  const double unit = unit_of(op.atoms.dtype);
  std::vector<double> of_rests, of_energies;
  for (int64_t signal = 0; signal < op.indices.shape[0]; ++signal) {
    double squares = 0;
    for (int64_t j = 0; j < depth; ++j) {
      double sum = 0;
      for (int64_t i = 0; i <= op.step && i < int64_t(values(op.counts)[signal]); ++i) {
        const auto atom = int64_t(values(op.indices)[signal * k + i]);
        if (atom < 0 || atom >= op.atoms.shape[0]) continue;
        sum +=
            std::abs(values(op.coefficients)[signal * k + i] * values(op.atoms)[atom * depth + j]);
      }
      of_rests.push_back(2 * sum / growth_of(op));
      squares += sum * sum;
    }
    const double off = 2 * unit * std::sqrt(squares), left = std::sqrt(values(op.left)[signal]);
    of_energies.push_back((2 * left + off) * off / (growth_of(op) * unit));
  }
  return tensor == "residuals" ? of_rests : of_energies;
}
ORTHOKIT_SOME_TERMS(PursuitStep, terms_of);

}  // namespace orthokit::bench
