// Elements that are small beside the norm of what they belong to.
#pragma once
#include <limits>

namespace orthokit::math {

// x, or 0 where x² is less than least² of a finite sum of squares.
template <class Real>
constexpr Real unless_small(Real x, double least, double squares) {
  const double own = double(x) * double(x);
  const bool is_finite = squares <= std::numeric_limits<double>::max();
  return is_finite && own < least * least * squares ? Real(0) : x;
}

}  // namespace orthokit::math
