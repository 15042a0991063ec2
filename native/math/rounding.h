// Elements of a product that are no more than rounding leaves of nothing.
#pragma once
#include <cmath>
#include <limits>

namespace orthokit::math {

// `least` of a norm whose square this is; of one that is not finite, which hides nothing, 0.
template <class Real>
constexpr Real rounding_floor(Real square, Real least) {
  const Real floor = least * std::sqrt(square);
  return floor <= std::numeric_limits<Real>::max() ? floor : Real(0);
}

// x, or 0 where it is no larger than the floor; NaN stays.
template <class T>
constexpr T above(T x, T floor) {
  return std::abs(x) <= floor ? T(0) : x;
}

}  // namespace orthokit::math
