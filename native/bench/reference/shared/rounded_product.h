// A product of matrices in plain loops, and one that is moved by as much as rounding may move it.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include "bench/reference/operands.h"
#include "bench/reference/reference.h"

namespace orthokit::bench {

// out = op(a) b, row-major; a is m × k, or k × m where transposed.
inline std::vector<double> product(const std::vector<double>& a, bool transposed,
                                   const std::vector<double>& b, int64_t m, int64_t k, int64_t n) {
  std::vector<double> out(size_t(m * n));
  for (int64_t i = 0; i < m; ++i)
    for (int64_t p = 0; p < k; ++p)
      for (int64_t j = 0; j < n; ++j)
        out[size_t(i * n + j)] +=
            a[size_t(transposed ? p * m + i : i * k + p)] * b[size_t(p * n + j)];
  return out;
}

// The arithmetic of a step, f64 or f32.
inline Dtype arithmetic_of(Dtype dtype) { return dtype == Dtype::kF64 ? dtype : Dtype::kF32; }

// How far a sum of n products is off, as a share of the lengths of its two vectors: chance takes
// roundings to either side. Equal numbers round to the same one, which f64 has the digits to allow.
inline double rounding_of_sum(Dtype arithmetic, double n) {
  const double roundings = 4 + std::sqrt(n);
  return unit_of(arithmetic) * (arithmetic == Dtype::kF64 ? std::max(roundings, n / 8) : roundings);
}

// op(a) b; under a move, each element is off by as much as the rounding of its terms may make it.
inline std::vector<double> rounded_product(const std::vector<double>& a, bool transposed,
                                           const std::vector<double>& b, int64_t m, int64_t k,
                                           int64_t n, Dtype arithmetic) {
  const double rounding = rounding_of_sum(arithmetic, double(k));
  std::vector<double> of_a(size_t(m), 0.0), of_b(size_t(n), 0.0),
      out = product(a, transposed, b, m, k, n);
  for (int64_t i = 0; i < m * k; ++i)
    of_a[size_t(transposed ? i % m : i / k)] += a[size_t(i)] * a[size_t(i)];
  for (int64_t i = 0; i < k * n; ++i) of_b[size_t(i % n)] += b[size_t(i)] * b[size_t(i)];
  for (int64_t i = 0; i < m * n; ++i) {
    const double by = rounding * std::sqrt(of_a[size_t(i / n)] * of_b[size_t(i % n)]);
    if (std::isfinite(by)) out[size_t(i)] = remaining(out[size_t(i)], by);
  }
  return out;
}

}  // namespace orthokit::bench
