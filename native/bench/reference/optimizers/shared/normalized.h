// NorMuon's normalization of an update that is given (arXiv 2510.05491).
#pragma once
#include <algorithm>

#include "bench/reference/optimizers/shared/step.h"
#include "ops/optimizers/normalized_update.h"

namespace orthokit::bench {

struct Normalization {
  double beta2, eps, scale;
  NorMuonVariant variant;
  MomentAxis axis;
};

// Σu² of each row of one matrix, or of each column.
inline Vector sums_of_squares(const Vector& u, int64_t columns, bool of_columns, int64_t length) {
  Vector sums(size_t(length), 0.0);
  for (size_t k = 0; k < u.size(); ++k)
    sums[of_columns ? k % size_t(columns) : k / size_t(columns)] += u[k] * u[k];
  return sums;
}

// u of one matrix, of which `sums` are given, and its moments from v on. `places`: those of rows
// that have none stay, and their u becomes 0; null: all have one.
inline Vector normalized(Vector u, const Vector& sums, int64_t columns, bool of_columns, double* v,
                         const double* places, const Normalization& n) {
  const double elements = std::max(double(u.size()) / double(sums.size()), 1.0);
  double before = 0, after = 0;
  Vector divisors(sums.size());
  for (size_t i = 0; i < sums.size(); ++i) {
    if (places && places[i] < 0) continue;
    v[i] = n.beta2 * v[i] + (1 - n.beta2) * sums[i] / elements;
    const bool floored = n.variant == NorMuonVariant::kNanogpt;
    divisors[i] = floored ? std::sqrt(std::max(v[i], n.eps)) : std::sqrt(v[i]) + n.eps;
    before += sums[i], after += divisors[i] == 0 ? 0 : sums[i] / (divisors[i] * divisors[i]);
  }
  before = std::sqrt(before), after = std::sqrt(after);
  double factor = before / (after + n.eps);
  if (n.variant == NorMuonVariant::kPaper) factor = 0.2 * std::sqrt(double(u.size())) / after;
  if (n.variant == NorMuonVariant::kDion || n.variant == NorMuonVariant::kNanogpt)
    factor = before / std::max(after, n.eps);
  for (size_t k = 0; k < u.size(); ++k) {
    const double divisor = divisors[of_columns ? k % size_t(columns) : k / size_t(columns)];
    u[k] = after == 0 || divisor == 0 ? 0 : u[k] / divisor * factor;
  }
  return u;
}

// The step with the update u; its sums of squares are those of `squares`, or of u.
inline void normalized_step(const Step& step, int64_t t, const Vector& u, const View& squares,
                            const View& moments, const double* places, const Normalization& n) {
  const Matrices m = matrices(step.weights[t]);
  const bool of_columns = n.axis == MomentAxis::kLong && m.rows < m.columns;
  const int64_t size = m.rows * m.columns, length = of_columns ? m.columns : m.rows;
  double update = 0;
  for (int64_t i = 0; i < m.batch; ++i) {
    const Vector part(u.begin() + i * size, u.begin() + (i + 1) * size);
    const double* given = squares ? values(squares) + i * length : nullptr;
    const Vector sums = given ? Vector(given, given + length)
                              : sums_of_squares(part, m.columns, of_columns, length);
    const Vector own = normalized(part, sums, m.columns, of_columns, values(moments) + i * length,
                                  places ? places + i * length : nullptr, n);
    update += apply(step, t, own, step.lr * n.scale, size_t(i * size));
  }
  note(step, t, update);
}

}  // namespace orthokit::bench
