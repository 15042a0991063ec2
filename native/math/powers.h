// Powers of two by their bits: scaling by them is exact.
#pragma once
#include <bit>
#include <cstdint>

namespace orthokit::math {

// The power of two at or below x ≥ 0, kept where it and its inverse are normal numbers.
constexpr float power_below(float x) {
  const uint32_t exponent = std::bit_cast<uint32_t>(x) & 0x7f800000u;
  constexpr uint32_t kLeast = 1u << 23, kMost = 253u << 23;
  const uint32_t raised = exponent < kLeast ? kLeast : exponent;
  return std::bit_cast<float>(raised > kMost ? kMost : raised);
}
constexpr double power_below(double x) {
  const uint64_t exponent = std::bit_cast<uint64_t>(x) & 0x7ff0000000000000u;
  constexpr uint64_t kLeast = uint64_t(1) << 52, kMost = uint64_t(2045) << 52;
  const uint64_t raised = exponent < kLeast ? kLeast : exponent;
  return std::bit_cast<double>(raised > kMost ? kMost : raised);
}

// 1 / p of what power_below gives.
constexpr float inverse_of_power(float p) {
  return std::bit_cast<float>((254u << 23) - std::bit_cast<uint32_t>(p));
}
constexpr double inverse_of_power(double p) {
  return std::bit_cast<double>((uint64_t(2046) << 52) - std::bit_cast<uint64_t>(p));
}

static_assert(power_below(5.0f) == 4 && power_below(5.0) == 4 && inverse_of_power(4.0) == 0.25);
static_assert(power_below(0.0f) == 0x1p-126f && power_below(0.0) == 0x1p-1022);

}  // namespace orthokit::math
