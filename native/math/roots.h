// sqrt(p a² + q b²) without overflow or underflow of the squares, with the same bits on every
// backend.
#pragma once
#include <cmath>

#include "math/powers.h"

namespace orthokit::math {

// Scaled by the larger of a and b, where a has a share: beside a large one without, b² would
// vanish.
template <class T>
constexpr T root_of_sum(T p, T a, T q, T b) {
  a = p == 0 ? p * a : a;  // NaN and infinity stay
  const T size_a = std::abs(a), size_b = std::abs(b);
  const T power = power_below(size_a < size_b ? size_b : size_a);
  const T inverse = inverse_of_power(power), x = a * inverse, y = b * inverse;
  return power * std::sqrt(p * x * x + q * y * y);
}

}  // namespace orthokit::math
