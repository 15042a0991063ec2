// Softmax of one row of logits in plain loops.
#pragma once
#include <algorithm>

#include "bench/reference/reference.h"

namespace orthokit::bench {

// The largest of a row that is no NaN; −∞ if there is none.
inline double largest_of(const double* x, int64_t n) {
  double largest = -HUGE_VAL;
  for (int64_t j = 0; j < n; ++j) largest = std::max(largest, x[j]);  // keeps its first if x is NaN
  return largest;
}

// eˣ for x ≤ 0; 0 where it would be subnormal in f64.
inline long double exponential(long double x) { return x < math::kLeastExponent ? 0 : std::exp(x); }

inline long double sum_of_exps(const double* x, int64_t n) {
  const double largest = largest_of(x, n);
  long double sum = 0;
  for (int64_t j = 0; j < n; ++j) sum += exponential(static_cast<long double>(x[j]) - largest);
  return sum;
}

inline std::vector<double> softmax(const double* x, int64_t n) {
  const long double largest = largest_of(x, n), sum = sum_of_exps(x, n);
  std::vector<double> p(x, x + n);
  for (double& v : p) v = double(exponential(v - largest) / sum);
  return p;
}

inline double counted_rows(const View& labels) {
  double counted = 0;
  for (int64_t i = 0; i < labels.size(); ++i) counted += values(labels)[i] >= 0;
  return counted;
}

}  // namespace orthokit::bench
