// Gradients add up; the largest slices of the sum are orthogonalized, and decay.
#pragma once
#include "bench/reference/optimizers/shared/orthogonal.h"
#include "ops/optimizers/shared/sliced_step.h"

namespace orthokit::bench {

// m ← m + g
inline void add_gradient(const SlicedStep& op, int64_t t) {
  const Vector g = decayed_gradient(op.step, t);
  double* m = values(op.momenta[t]);
  for (size_t i = 0; i < g.size(); ++i) m[i] = kept(op.momenta[t], m[i] + g[i]);
}

// The slices of one matrix with the largest Σ|m|, in their order.
inline std::vector<int64_t> largest_slices(const double* m, const Matrices& s, bool rows,
                                           double fraction) {
  const int64_t count = rows ? s.rows : s.columns, length = rows ? s.columns : s.rows;
  std::vector<double> sums(size_t(count), 0.0);
  for (int64_t i = 0; i < count; ++i)
    for (int64_t k = 0; k < length; ++k)
      sums[size_t(i)] += std::abs(m[rows ? i * s.columns + k : k * s.columns + i]);
  for (double& sum : sums) sum = std::isnan(sum) ? double(INFINITY) : sum;
  const double most = std::max(1.0, std::ceil(fraction * double(count)));
  std::vector<int64_t> chosen;
  for (int64_t i = 0; i < count; ++i) {
    int64_t before = 0;
    for (int64_t j = 0; j < count; ++j)
      before += sums[size_t(j)] > sums[size_t(i)] || (sums[size_t(j)] == sums[size_t(i)] && j < i);
    if (double(before) < most) chosen.push_back(i);
  }
  return chosen;
}

// The orthogonal update of one matrix, by rows or by columns, and the slices `chosen` for it.
inline Vector slice_direction(const SlicedStep& op, double* m, const Matrices& s, bool rows,
                              std::vector<int64_t>& chosen) {
  chosen = largest_slices(m, s, rows, op.fraction);
  const auto taken = int64_t(chosen.size());
  const int64_t length = rows ? s.columns : s.rows;
  Vector part(size_t(taken * length)), out(size_t(s.rows * s.columns), 0.0);
  const auto place = [&](int64_t p, int64_t k) {
    return size_t(rows ? p * length + k : k * taken + p);
  };
  const auto whole = [&](int64_t p, int64_t k) {
    const int64_t i = chosen[size_t(p)];
    return rows ? i * s.columns + k : k * s.columns + i;
  };
  for (int64_t p = 0; p < taken; ++p)
    for (int64_t k = 0; k < length; ++k) {
      part[place(p, k)] = m[whole(p, k)];
      m[whole(p, k)] *= op.ef_decay;
    }
  part = newton_schulz(part, rows ? taken : s.rows, rows ? s.columns : taken,
                       steps_of_reference(op.orthogonalization, op.step.weights[0].dtype));
  for (int64_t p = 0; p < taken; ++p)
    for (int64_t k = 0; k < length; ++k) out[size_t(whole(p, k))] = part[place(p, k)];
  return out;
}

}  // namespace orthokit::bench
