#include "ops/optimizers/dion2.h"

#include "bench/reference/optimizers/shared/orthogonal.h"

namespace orthokit::bench {

// The slices of one matrix with the largest Σ|m|, in their order.
static std::vector<int64_t> largest_slices(const double* m, const Matrices& s, bool rows,
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

static Vector slice_direction(const Dion2& op, double* m, const Matrices& s) {
  const bool rows = s.rows <= s.columns;
  const std::vector<int64_t> chosen = largest_slices(m, s, rows, op.fraction);
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
                       steps_of_reference(op.method, op.coefficients), op.norm_scale, op.eps);
  for (int64_t p = 0; p < taken; ++p)
    for (int64_t k = 0; k < length; ++k) out[size_t(whole(p, k))] = part[place(p, k)];
  return out;
}

static void dion2(const Dion2& op) {
  const Step& step = op.step;
  if (is_held(step.guard)) return;
  for (int64_t t = 0; t < step.weights.count; ++t) {
    const Matrices s = matrices(step.weights[t]);
    const Vector g = decayed_gradient(step, t);
    double* m = values(op.momenta[t]);
    for (size_t i = 0; i < g.size(); ++i) m[i] = kept(op.momenta[t], m[i] + g[i]);
    const double scale = scale_of(op.shape_scale, double(s.rows), double(s.columns));
    double update = 0;
    for (int64_t b = 0; b < s.batch; ++b) {
      const int64_t at = b * s.rows * s.columns;
      update += apply(step, t, slice_direction(op, m + at, s), step.lr * scale, size_t(at));
    }
    note(step, t, update);
  }
}
ORTHOKIT_REFERENCE(Dion2, dion2,
                   2 * newton_schulz_growth(op.coefficients, op.method, op.dtype,
                                            longest_side(op.step.weights)));

}  // namespace orthokit::bench
