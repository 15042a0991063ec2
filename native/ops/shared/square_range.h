// Norms of f64 whose squares leave the range of f64.
#pragma once
#include <limits>

namespace orthokit {

// Powers of two: elements times one of them have squares, and sums of squares, well inside the
// range.
inline constexpr double kScaleOfLarge = 0x1p-600, kScaleOfSmall = 0x1p600;
// A smaller sum of squares may have lost digits.
inline constexpr double kLeastSquares = 0x1p-900;

// The scale for elements whose squares add up to `sum`: 1 where the sum is right as it is, or NaN.
constexpr double scale_for(double sum) {
  if (sum < kLeastSquares) return kScaleOfSmall;
  return sum > std::numeric_limits<double>::max() ? kScaleOfLarge : 1;
}

}  // namespace orthokit
