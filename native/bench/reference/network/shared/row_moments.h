// Mean and deviation of a row in plain loops.
#pragma once
#include "bench/reference/reference.h"

namespace orthokit::bench {

struct Moments {
  double mean, deviation;  // √(variance + eps)
};

inline Moments moments_of(const double* x, int64_t n, double eps) {
  long double sum = 0, squares = 0;
  for (int64_t j = 0; j < n; ++j) sum += x[j];
  const long double mean = sum / static_cast<long double>(n);
  for (int64_t j = 0; j < n; ++j) squares += (x[j] - mean) * (x[j] - mean);
  return {double(mean), double(std::sqrt(squares / static_cast<long double>(n) + eps))};
}

}  // namespace orthokit::bench
