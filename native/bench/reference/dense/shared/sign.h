// The sign of a vector that is unique but for it.
#pragma once
#include <cmath>

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

}  // namespace orthokit::bench
