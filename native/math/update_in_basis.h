// Adam's update of a momentum in a basis of which the second moments may know nothing yet.
#pragma once
#include "math/held.h"

namespace orthokit::math {

inline constexpr double kMostUpdateInBasis = 0x1p100;

// 0 where there was never a gradient; a finite momentum moves by no more than the most.
template <class T>
constexpr T update_in_basis(T momentum, T root, T factor, T eps) {
  const T update = factor * momentum / (root + eps);
  if (root == T(0)) return T(0);
  return is_finite(momentum) ? held(update, T(kMostUpdateInBasis)) : update;
}

}  // namespace orthokit::math
