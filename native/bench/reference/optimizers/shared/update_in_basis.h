#pragma once
#include <algorithm>
#include <cmath>

#include "math/update_in_basis.h"

namespace orthokit::bench {

// Adam's update of a momentum m in a basis, with the root of its second moment.
inline double update_in_basis(double m, double root, double factor, double eps) {
  if (root == 0) return 0;
  const double update = factor * m / (root + eps), most = math::kMostUpdateInBasis;
  return std::isfinite(m) ? std::clamp(update, -most, most) : update;
}

}  // namespace orthokit::bench
