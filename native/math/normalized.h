// NorMuon's factors of rows of an orthogonal update.
#pragma once
#include <cmath>

namespace orthokit::math {

// Of a row whose mean square has the running average v: 1 / (√v + eps), or 1 / √max(v, eps). A row
// that has only ever been zeros stays so.
template <class Real>
constexpr Real row_step(Real v, Real eps, bool floored) {
  if (floored) {
    const Real least = v < eps ? eps : v;  // NaN stays
    return least == 0 ? 0 : 1 / std::sqrt(least);
  }
  const Real divisor = std::sqrt(v) + eps;
  return divisor == 0 ? 0 : 1 / divisor;
}

// target / norm, 0 where the norm is; eps is added to it, or the least that it is taken for.
template <class Real>
constexpr Real rescale(Real target, Real norm, Real eps, bool floored) {
  const Real divisor = floored ? (norm < eps ? eps : norm) : norm + eps;
  return norm == 0 ? 0 : target / divisor;
}

// Of a column whose squares add up to `square`: 0 where they are at most least² of those of all.
template <class Real>
constexpr Real unit_factor(Real square, Real all, Real eps, Real least) {
  return square <= least * least * all ? 0 : rescale(Real(1), std::sqrt(square), eps, false);
}

}  // namespace orthokit::math
