// An exponential that the compiler turns into SIMD.
#pragma once
#include <bit>
#include <cstdint>

#include "cpu/variant.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// exp(x) for x ≤ 0, within 2 ulp; 0 below −708, where the result would be subnormal; NaN for NaN.
inline double exp_of_negative(double x) {
  constexpr double kShift = 0x1.8p52;  // a sum with it holds the nearest integer in its low bits
  const double shifted = x * 1.4426950408889634 + kShift, k = shifted - kShift;
  // ln 2 in two parts: k times the first is exact.
  const double r = (x - k * 0x1.62e42fee00000p-1) - k * 0x1.a39ef35793c76p-33;
  double p = 1.0 / 6227020800;
  for (double inverse_factorial :
       {1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040,
        1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1.0, 1.0})
    p = p * r + inverse_factorial;
  const double power =
      std::bit_cast<double>((std::bit_cast<uint64_t>(shifted) << 52) + (uint64_t(1023) << 52));
  return x < -708 ? 0 : p * power;
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
