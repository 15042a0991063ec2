// A sum of products in plain loops.
#pragma once
#include "bench/reference/reference.h"

namespace orthokit::bench {

struct InnerProduct {
  const double* a;
  int64_t step_a;
  const double* b;
  int64_t step_b, size;

  double sum() const {
    double sum = 0;
    for (int64_t k = 0; k < size; ++k) sum += a[k * step_a] * b[k * step_b];
    return sum;
  }
  // What its rounding is relative to: the root of the sum of the terms' squares.
  double terms() const {
    double squares = 0;
    for (int64_t k = 0; k < size; ++k) {
      const double term = a[k * step_a] * b[k * step_b];
      if (std::isfinite(term)) squares += term * term;
    }
    return std::sqrt(squares);
  }
};

// Of sums as long as this, one term after the other in the arithmetic's dtype: rounding is a random
// walk beside partial sums that walk themselves, and of standard deviation 0.3 √size.
inline double product_growth(int64_t size) { return 4 + 2 * std::sqrt(double(size)); }

}  // namespace orthokit::bench
