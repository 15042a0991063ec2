// The largest element of a row and the sum of its exponentials, the row read once.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/softmax.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Σ exp(xᵢ − max), max passing over NaN. A row without a finite maximum gives a sum of NaN.
template <class T>
struct RowSum {
  T max;
  double sum;
};

#ifdef __AVX2__
// Part by part, in units that rise with the largest element so far: what came before is brought to
// them by a power of 2, which is exact. A part's exponentials ask for the next part, so that its
// largest element is sought in the first cache. False where no element of the first part is finite
// or a largest element does not fit.
inline bool sum_by_parts(const float* x, int64_t n, RowSum<float>& row) {
  constexpr int64_t kPart = kAhead / int64_t(sizeof(float));
  float max = -std::numeric_limits<float>::infinity();
  FloatExps::Row units{max};
  Vector<double> lanes{};
  for (int64_t at = 0; at < n; at += kPart) {
    const int64_t size = std::min(kPart, n - at);
    if (const float most = max_of(x + at, size); most > max) {
      if (!FloatExps::fits(most)) return false;
      const FloatExps::Row next(most);
      if (at > 0)
        lanes *=
            std::ldexp(1.0, FloatExps::Row::power_near(max) - FloatExps::Row::power_near(most));
      units = next, max = most;
    }
    if (std::isinf(max)) return false;
    const FloatExps exps(units);
    Vector<double> part;
    take_exps(
        exps, x + at, size, [](const Vector<float>&, auto, int64_t) {}, part);
    lanes += part;
  }
  row = {max, total_of_lanes(lanes) / FloatExps(units).of_max()};
  return true;
}
#endif

template <class T>
RowSum<T> row_sum(const T* x, int64_t n) {
#ifdef __AVX2__
  if constexpr (sizeof(T) == 4)
    if (RowSum<T> row; n <= ExpSum<T>::kMost && sum_by_parts(x, n, row)) return row;
#endif
  const T max = max_of(x, n);
  return {max, sum_of_exps(x, n, max)};
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
