// Elements that are no more than rounding leaves of nothing.
#pragma once
#include <cmath>
#include <limits>

namespace orthokit::math {

// The largest size that counts as 0: `least` of a norm; 0 where that is not finite, which hides
// nothing.
constexpr double rounding_floor(double norm, double least) {
  return norm <= std::numeric_limits<double>::max() ? least * norm : 0;
}

// x, or 0 where it is no larger than the floor; NaN stays.
template <class T>
constexpr T above(T x, T floor) {
  return std::abs(x) <= floor ? T(0) : x;
}

}  // namespace orthokit::math
