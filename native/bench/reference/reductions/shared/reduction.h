// A reduction in plain loops.
#pragma once
#include <algorithm>

#include "bench/reference/reference.h"
#include "ops/reductions/shared/reduction.h"

namespace orthokit::bench {

// Of n elements, `step` apart.
inline double reduced(Reduction reduction, const double* x, int64_t n, int64_t step) {
  long double sum = 0, squares = 0;
  double largest = -HUGE_VAL;
  for (int64_t i = 0; i < n; ++i) {
    const double v = x[i * step];
    sum += v, squares += static_cast<long double>(v) * v;
    largest = std::isnan(v) ? v : std::max(largest, v);
  }
  switch (reduction) {
    case Reduction::kMax:
      return largest;
    case Reduction::kMean:
      return double(sum / static_cast<long double>(n));
    case Reduction::kSumOfSquares:
      return double(squares);
    case Reduction::kNorm:
      return double(std::sqrt(squares));
    default:
      return double(sum);
  }
}

// Sums are f64 even where x is f32; the largest result is no smaller than a few of its terms.
inline double reduction_growth(Reduction reduction, const View& x, const View& out) {
  if (reduction == Reduction::kMax) return kExact;
  if (x.dtype == Dtype::kF64) return 256;
  return out.dtype == Dtype::kF64 ? 1e-6 : 1;
}

}  // namespace orthokit::bench
