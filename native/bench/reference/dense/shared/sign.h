// The sign of a vector that is unique but for it.
#pragma once
#include <cmath>
#include <vector>

#include "ops/dense/shared/dense.h"

namespace orthokit::bench {

template <class Entry>
double sign_of(size_t size, Entry&& x) {
  double largest = 0;
  for (size_t i = 0; i < size; ++i) largest = std::fmax(largest, std::abs(x(i)));
  for (size_t i = 0; i < size; ++i)
    if (std::abs(x(i)) >= kNearLargest * largest) return x(i) < 0 ? -1 : 1;
  return 1;
}

// True if the sign stays where each entry is off by up to error(i).
template <class Entry, class Error>
bool is_sign_certain(size_t size, Entry&& x, Error&& error) {
  double largest = 0, most = 0;
  for (size_t i = 0; i < size; ++i)
    largest = std::fmax(largest, std::abs(x(i))), most = std::fmax(most, error(i));
  const double sign = sign_of(size, x);
  for (size_t i = 0; i < size; ++i) {
    const double own = std::abs(x(i)), off = error(i);
    if (own + off >= kNearLargest * (largest - most) && sign * x(i) <= off) return false;
    if (own - off >= kNearLargest * (largest + most)) return true;
  }
  return false;
}

// Of vectors that are the `count` columns of a matrix x, row-major, those whose signs are not
// certain. Their entries are off by up to a rounding of their terms.
inline std::vector<bool> uncertain_signs(size_t size, size_t count, const double* x,
                                         double rounding, const std::vector<double>& terms) {
  std::vector<bool> are_uncertain;
  for (size_t j = 0; j < count; ++j)
    are_uncertain.push_back(!is_sign_certain(
        size, [&](size_t i) { return x[i * count + j]; },
        [&](size_t i) { return rounding * terms[i * count + j]; }));
  return are_uncertain;
}

// Makes the terms of these columns so large that either sign is within the bound.
inline void allow_either_sign(const std::vector<bool>& of, const double* x, double rounding,
                              std::vector<double>& terms) {
  for (size_t i = 0; i < terms.size(); ++i)
    if (of[i % of.size()]) terms[i] += 2 * std::abs(x[i]) / rounding;
}

}  // namespace orthokit::bench
