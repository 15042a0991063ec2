// sqrt(p a² + q b²) without overflow or underflow of the squares.
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "cpu/variant.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// The power of two at or below x ≥ 0, kept where it and its inverse are normal numbers.
inline float power_of_two(float x) {
  const uint32_t exponent = std::bit_cast<uint32_t>(x) & 0x7f800000u;
  return std::bit_cast<float>(std::min(std::max(exponent, 1u << 23), 253u << 23));
}
inline double power_of_two(double x) {
  const uint64_t exponent = std::bit_cast<uint64_t>(x) & 0x7ff0000000000000u;
  return std::bit_cast<double>(
      std::min(std::max(exponent, uint64_t(1) << 52), uint64_t(2045) << 52));
}
inline float inverse_of_power(float p) {
  return std::bit_cast<float>((254u << 23) - std::bit_cast<uint32_t>(p));
}
inline double inverse_of_power(double p) {
  return std::bit_cast<double>((uint64_t(2046) << 52) - std::bit_cast<uint64_t>(p));
}

// Scaled by the larger of a and b, where a has a share: beside a large one without, b² would
// vanish.
template <class T>
T root_of_sum(T p, T a, T q, T b) {
  a = p == 0 ? p * a : a;  // NaN and infinity stay
  const T magnitude = std::max(std::abs(a), std::abs(b)), power = power_of_two(magnitude);
  const T inverse = inverse_of_power(power), x = a * inverse, y = b * inverse;
  return power * std::sqrt(p * x * x + q * y * y);
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
