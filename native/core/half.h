// The 16-bit floating-point types, converted by integer arithmetic: the same bits on every machine.
// constexpr, so that device code may call them too.
#pragma once
#include <bit>
#include <cstdint>

namespace orthokit {

struct Half {  // IEEE binary16
  uint16_t bits;
};
struct Bfloat16 {  // the upper half of binary32
  uint16_t bits;
};

constexpr float to_float(Half h) {
  // The exponent field is too small by 112 after the shift; the product mends that for subnormals
  // too.
  const float scaled = std::bit_cast<float>(uint32_t(h.bits & 0x7fffu) << 13) * 0x1p112f;
  uint32_t u = std::bit_cast<uint32_t>(scaled);
  u |= (h.bits & 0x7c00u) == 0x7c00u ? 0x7f800000u : 0u;
  return std::bit_cast<float>(u | uint32_t(h.bits & 0x8000u) << 16);
}

constexpr float to_float(Bfloat16 b) { return std::bit_cast<float>(uint32_t(b.bits) << 16); }

// To nearest, ties to even.
constexpr Half to_half(float x) {
  const uint32_t u = std::bit_cast<uint32_t>(x), a = u & 0x7fffffffu, sign = u >> 16 & 0x8000u;
  // 0.5 has the spacing of half's subnormals: the addition rounds for us.
  const uint32_t subnormal =
      std::bit_cast<uint32_t>(std::bit_cast<float>(a) + 0.5f) - std::bit_cast<uint32_t>(0.5f);
  const uint32_t rounded = a + 0xfffu + (a >> 13 & 1u);
  const uint32_t normal = rounded >= 0x47800000u ? 0x7c00u : (rounded - 0x38000000u) >> 13;
  uint32_t h = a < 0x38800000u ? subnormal : normal;
  h = a > 0x7f800000u ? 0x7e00u : h;
  return {uint16_t(sign | h)};
}

constexpr Bfloat16 to_bfloat16(float x) {
  const uint32_t u = std::bit_cast<uint32_t>(x);
  const uint32_t rounded = (u + 0x7fffu + (u >> 16 & 1u)) >> 16;
  return {uint16_t((u & 0x7fffffffu) > 0x7f800000u ? (u >> 16 | 0x40u) : rounded)};
}

// Rounded to odd: rounding the result once more, to a shorter type, equals rounding x once.
constexpr float to_float_odd(double x) {
  const float nearest = float(x);
  if (double(nearest) == x || x != x) return nearest;
  uint32_t u = std::bit_cast<uint32_t>(nearest);
  const double magnitude = x < 0 ? -x : x;
  if (double(std::bit_cast<float>(u & 0x7fffffffu)) > magnitude) --u;
  return std::bit_cast<float>(u | 1u);
}

}  // namespace orthokit
