// Exponentials that the compiler turns into SIMD.
#pragma once
#include <bit>
#include <cstdint>
#include <numbers>

#include "cpu/fused.h"
#include "math/exp.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// exp(x) for x ≤ 0, within 2 ulp; 0 below −708, where the result would be subnormal; NaN for NaN.
inline double exp_of_negative(double x) {
  constexpr double kShift = 0x1.8p52;  // a sum with it holds the nearest integer in its low bits
  const double shifted = fused(x, std::numbers::log2e, kShift), k = shifted - kShift;
  // ln 2 in two parts: k times the first is exact.
  const double r = fused(k, -math::kLogTwoRest, fused(k, -math::kLogTwo, x));
  double p = 1.0 / 6227020800;
  for (double inverse_factorial :
       {1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040,
        1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1.0, 1.0})
    p = fused(p, r, inverse_factorial);
  const double power =
      std::bit_cast<double>((std::bit_cast<uint64_t>(shifted) << 52) + (uint64_t(1023) << 52));
  return x < math::kLeastExponent ? 0 : p * power;
}

inline constexpr float kFloatShift = 0x1.8p23f;

// x = k ln 2 + r with |r| ≤ ln 2 / 2.
struct ReducedFloat {
  float shifted, r;  // k in the low bits of `shifted`
  int32_t k() const {
    return std::bit_cast<int32_t>(shifted) - std::bit_cast<int32_t>(kFloatShift);
  }
};
inline ReducedFloat reduced_by_log_two(float x) {
  const float shifted = fused(x, std::numbers::log2e_v<float>, kFloatShift),
              k = shifted - kFloatShift;
  return {shifted, fused(k, -math::kFloatLogTwoRest, fused(k, -math::kFloatLogTwo, x))};
}

// (exp(r) − 1 − r) / r² for |r| ≤ ln 2 / 2: a polynomial, from its highest power down, fitted so
// that exp(r) − 1 is within 2⁻²⁸ of exp(r).
inline constexpr float kExpCurve[] = {0x1.6db4e4p-10f, 0x1.123be0p-7f, 0x1.55545ep-5f,
                                      0x1.55548ep-3f, 0x1p-1f};
inline float exp_curve_near_zero(float r) {
  float p = kExpCurve[0];
#pragma GCC unroll 4
  for (int i = 1; i < 5; ++i) p = fused(p, r, kExpCurve[i]);
  return p;
}
// exp(r) − 1, likewise.
inline float exp_less_one_near_zero(float r) { return fused(exp_curve_near_zero(r), r * r, r); }

inline float power_of_two(int32_t k) { return std::bit_cast<float>((k + 127) << 23); }

// exp(x) within 1.1 ulp (map.h says what was measured), down to the subnormal results; infinity
// above 88.7, NaN for NaN.
inline float exp_of(float x) {
  const float low = x < -104 ? -104 : x;
  const ReducedFloat reduced = reduced_by_log_two(low > 89 ? 89 : low);
  // In two factors, as 2ᵏ alone may be subnormal or infinite.
  const int32_t k = reduced.k(), half = k >> 1;
  return (exp_less_one_near_zero(reduced.r) + 1) * power_of_two(half) * power_of_two(k - half);
}

// The same for x ≤ 0, where 2ᵏ is made of 2ᵏ⁺⁶⁴ and 2⁻⁶⁴.
inline float exp_of_negative(float x) {
  const auto [shifted, r] = reduced_by_log_two(x < -104 ? -104 : x);
  const float power =
      std::bit_cast<float>((std::bit_cast<uint32_t>(shifted) << 23) + (uint32_t(127 + 64) << 23));
  return (exp_less_one_near_zero(r) + 1) * power * 0x1p-64f;
}

// kExpOfDifferenceUnit · exp(x − max) for x ≤ max. In f64 the difference is rounded. In f32 it is
// exact, and the result, within 1.2 · 2⁻²⁴ of itself, is never subnormal, as the unit is large; 0
// where x lies more than 120 below. An infinite maximum gives NaN where x is as infinite.
template <class T>
inline constexpr T kExpOfDifferenceUnit = sizeof(T) == 4 ? 0x1p64 : 1;
inline double exp_of_difference(double x, double max) { return exp_of_negative(x - max); }
inline float exp_of_difference(float x, float max) {
  const float difference = x - max, taken = difference - x;
  // The rounding error of the difference (Møller and Knuth's two-sum).
  const float lost = (x - (difference - taken)) - (max + taken);
  const float near = difference < -120 ? -120 : difference;
  const float shifted = fused(near, std::numbers::log2e_v<float>, kFloatShift),
              k = shifted - kFloatShift;
  const float r = fused(k, -math::kFloatLogTwo, near) + fused(k, -math::kFloatLogTwoRest, lost);
  const float power =
      std::bit_cast<float>((std::bit_cast<uint32_t>(shifted) << 23) + (uint32_t(127 + 64) << 23));
  // 1 + r loses digits, which are added with the rest.
  const float start = 1 + r, rest = fused(exp_curve_near_zero(r), r * r, r - (start - 1));
  return difference < -120 ? 0 : (start + rest) * power;
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
