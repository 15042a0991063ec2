// A double as a 16-bit floating-point number: to nearest, ties to even, NaN to the number that the
// hardware gives.
#pragma once
#include <cmath>
#include <cstdint>

namespace cudaemu {

template <int kExponentBits>
inline uint16_t to_16_bits(double value) {
  constexpr int kFraction = 15 - kExponentBits, kBias = (1 << (kExponentBits - 1)) - 1;
  constexpr uint16_t kInfinity = uint16_t(((1 << kExponentBits) - 1) << kFraction);
  if (value != value) return 0x7fff;
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const double magnitude = std::fabs(value);
  if (magnitude == 0) return sign;
  if (std::isinf(magnitude)) return uint16_t(sign | kInfinity);
  int exponent;
  std::frexp(magnitude, &exponent);
  --exponent;
  const bool subnormal = exponent < 1 - kBias;
  if (subnormal) exponent = 1 - kBias;
  const double units = std::nearbyint(std::ldexp(magnitude, kFraction - exponent));
  // A fraction that rounds up to the next power of two carries into the exponent by itself.
  const double bits =
      subnormal ? units : units + std::ldexp(double(exponent + kBias - 1), kFraction);
  return uint16_t(sign | (bits >= kInfinity ? kInfinity : uint16_t(bits)));
}

}  // namespace cudaemu
