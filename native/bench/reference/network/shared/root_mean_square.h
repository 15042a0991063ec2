// The root of a row's mean square, in plain loops.
#pragma once
#include "bench/reference/reference.h"

namespace orthokit::bench {

inline double root_mean_square(const double* x, int64_t n, double eps) {
  return double(std::sqrt(long_sum_of_squares(x, n) / static_cast<long double>(n) + eps));
}

}  // namespace orthokit::bench
