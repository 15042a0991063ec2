// Mean and deviation of a row.
#pragma once
#include <cmath>

#include "cpu/sums.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

struct Moments {
  double mean, inverse;  // 1 / √(variance + eps)
};

// In two passes: a mean that is large beside the deviation costs no digits.
template <class T>
Moments moments_of(const T* x, int64_t n, double eps) {
  const double mean = sum_of(n, [x](int64_t j) { return double(x[j]); }) / double(n);
  const double squares = sum_of(n, [=](int64_t j) {
    const double d = double(x[j]) - mean;
    return d * d;
  });
  return {mean, 1 / std::sqrt(squares / double(n) + eps)};
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
