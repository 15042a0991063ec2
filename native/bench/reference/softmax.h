// Softmax of one row of logits in plain loops.
#pragma once
#include <algorithm>

#include "bench/reference/reference.h"

namespace orthokit::bench {

// log Σ exp(xⱼ)
inline double log_of_sum(const double* x, int64_t n) {
  const double largest = *std::max_element(x, x + n);
  double sum = 0;
  for (int64_t j = 0; j < n; ++j) sum += std::exp(x[j] - largest);
  return largest + std::log(sum);
}

inline std::vector<double> softmax(const double* x, int64_t n) {
  std::vector<double> p(x, x + n);
  const double log_sum = log_of_sum(x, n);
  for (double& v : p) v = std::exp(v - log_sum);
  return p;
}

inline double counted_rows(const View& labels) {
  double counted = 0;
  for (int64_t i = 0; i < labels.size(); ++i) counted += values(labels)[i] >= 0;
  return counted;
}

}  // namespace orthokit::bench
