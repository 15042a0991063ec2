// Elementary functions in f64 and f32, in forms that the compiler turns into SIMD.
#pragma once
#include <cmath>
#include <limits>
#include <numbers>

#include "cpu/exp.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

inline constexpr double kRoundingShift = 0x1.8p52;  // a sum with it ends in the nearest integer

// 2ᵏ for a whole |k| < 1023.
inline double power_of_two(double k) {
  return std::bit_cast<double>((std::bit_cast<uint64_t>(k + kRoundingShift) << 52) +
                               (uint64_t(1023) << 52));
}

struct Reduced {
  double k, r;  // x = k ln 2 + r, |r| ≤ ln 2 / 2
};
inline Reduced reduced_by_log_two(double x) {
  const double k = fused(x, std::numbers::log2e, kRoundingShift) - kRoundingShift;
  return {k, fused(k, -math::kLogTwoRest, fused(k, -math::kLogTwo, x))};
}

// (exp(r) − 1) / r for |r| ≤ ln 2 / 2, by its series.
inline double exp_slope(double r) {
  double p = 1.0 / 87178291200;
#pragma GCC unroll 13
  for (double inverse_factorial :
       {1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320,
        1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1.0})
    p = fused(p, r, inverse_factorial);
  return p;
}

inline double exp_of(double x) {
  const double low = x < -750 ? -750 : x, finite = low > 710 ? 710 : low;
  const auto [k, r] = reduced_by_log_two(finite);
  // In two factors, as 2ᵏ alone may be subnormal or infinite.
  const double half = k * 0.5 + kRoundingShift - kRoundingShift;
  return (1 + r * exp_slope(r)) * power_of_two(half) * power_of_two(k - half);
}

// exp(x) − 1 for x ≤ 0.
inline double exp_less_one(double x) {
  const auto [k, r] = reduced_by_log_two(x < -700 ? -700 : x);
  const double power = power_of_two(k);
  return power * (r * exp_slope(r)) + (power - 1);
}

inline double tanh_of(double x) {
  const double e = exp_less_one(-2 * std::abs(x));
  return std::copysign(-e / (2 + e), x);
}

// 2 atanh(f) for |f| ≤ 1/3, by its series.
inline double twice_atanh(double f) {
  const double s = f * f;
  double p = 1.0 / 33;
#pragma GCC unroll 16
  for (double odd : {31., 29., 27., 25., 23., 21., 19., 17., 15., 13., 11., 9., 7., 5., 3.})
    p = fused(p, s, 1 / odd);
  return 2 * f + 2 * f * (s * p);
}

inline double log_of(double x) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const bool small = x < 0x1p-1022;
  const auto bits = std::bit_cast<uint64_t>(small ? x * 0x1p54 : x);
  // The exponent as a number: below 2⁵², an integer is the end of a significand.
  const double exponent = std::bit_cast<double>(bits >> 52 | std::bit_cast<uint64_t>(0x1p52)) -
                          0x1p52 - (small ? 1023 + 54 : 1023);
  const double m = std::bit_cast<double>((bits & 0xfffffffffffff) | (uint64_t(1023) << 52));
  const bool upper = m > std::numbers::sqrt2;
  const double k = upper ? exponent + 1 : exponent, d = (upper ? m * 0.5 : m) - 1;
  const double log = k * math::kLogTwo + (twice_atanh(d / (2 + d)) + k * math::kLogTwoRest);
  const double positive = x < kInfinity ? log : x;  // NaN and infinity pass
  const double zero = x == 0 ? -kInfinity : positive;
  return x < 0 ? std::numeric_limits<double>::quiet_NaN() : zero;
}

// max(x, 0) + ln(1 + e⁻|ˣ|), and ln(1 + e) = 2 atanh(e / (2 + e)).
inline double softplus_of(double x) {
  const double e = exp_of(-std::abs(x));
  return (x < 0 ? 0 : x) + twice_atanh(e / (2 + e));
}

// ---- The same in f32. Coefficients of polynomials are fitted to the smallest relative error of
// the function, which is below 2⁻³⁰, and rounded to f32; bounds hold for the numbers that are not
// subnormal; map.h states what was measured.

inline float exp_less_one(float x) {  // x ≤ 0
  const ReducedFloat reduced = reduced_by_log_two(x < -80 ? -80 : x);
  const float power = power_of_two(reduced.k());
  return fused(power, exp_less_one_near_zero(reduced.r), power - 1);
}

inline float tanh_of(float x) {
  const float e = exp_less_one(-2 * std::abs(x));
  return std::copysign(-e / (2 + e), x);
}

inline float twice_atanh(float f) {  // |f| ≤ 1/3
  const float s = f * f;
  float p = 0x1.f1aee8p-3f;
#pragma GCC unroll 4
  for (float coefficient : {0x1.b6d6a2p-3f, 0x1.250972p-2f, 0x1.9996a8p-2f, 0x1.555558p-1f})
    p = fused(p, s, coefficient);
  return fused(f * s, p, 2 * f);
}

inline float log_of(float x) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const bool small = x < 0x1p-126f;
  const int32_t bits = std::bit_cast<int32_t>(small ? x * 0x1p23f : x);
  // From √½ on: what is above in the significand counts as the next power.
  constexpr int32_t kRootHalf = 0x3f3504f3;
  const int32_t k = (bits - kRootHalf) >> 23;
  const float f = std::bit_cast<float>(bits - k * (1 << 23)) - 1,
              exponent = float(small ? k - 23 : k);
  float p = 0x1.1b4966p-4f;
#pragma GCC unroll 8
  for (float coefficient : {-0x1.e2fb06p-4f, 0x1.e65724p-4f, -0x1.fb40ecp-4f, 0x1.233230p-3f,
                            -0x1.5562eep-3f, 0x1.99a54cp-3f, -0x1.ffffeep-3f, 0x1.555546p-2f})
    p = fused(p, f, coefficient);
  const float square = f * f, low = fused(exponent, math::kFloatLogTwoRest, square * (f * p));
  const float log = fused(exponent, math::kFloatLogTwo, fused(square, -0.5f, low) + f);
  const float positive = x < kInfinity ? log : x;  // NaN and infinity pass
  const float zero = x == 0 ? -kInfinity : positive;
  return x < 0 ? std::numeric_limits<float>::quiet_NaN() : zero;
}

inline float softplus_of(float x) {
  const float e = exp_of_negative(-std::abs(x));
  return (x < 0 ? 0 : x) + twice_atanh(e / (2 + e));
}

// ---- In either type, by its exponential.

template <class T>
T sigmoid_of(T x) {
  const T e = exp_of_negative(-std::abs(x));
  return (x < 0 ? e : 1) / (1 + e);
}

// Beyond this SiLU is −0 or x, and its slope 0 or 1.
template <class T>
inline constexpr T kFarthestSilu = sizeof(T) == 4 ? T(130) : T(750);

// x times the exponential comes before the unit, which a small exponential alone would not stand.
template <class T>
T silu_of(T x) {
  constexpr T kUnit = kExpOfDifferenceUnit<T>;
  const T low = x < -kFarthestSilu<T> ? -kFarthestSilu<T> : x;
  const T e = exp_of_difference(-std::abs(low), T(0));
  const T upper = x < 0 ? low * e / kUnit : x;
  return upper / (1 + e / kUnit);
}

// s (1 + x (1 − s)), s the sigmoid.
template <class T>
T silu_slope_of(T x) {
  const T above = x < -kFarthestSilu<T> ? -kFarthestSilu<T> : x;
  const T v = above > kFarthestSilu<T> ? kFarthestSilu<T> : above;
  const T e = exp_of_negative(-std::abs(v)), inverse = 1 / (1 + e), small = e * inverse;
  return (v < 0 ? small : inverse) * (1 + v * (v < 0 ? inverse : small));
}

// 1 / cosh x; its square is the slope of tanh.
template <class T>
T sech_of(T x) {
  const T e = exp_of_negative(-std::abs(x));
  return 2 * e / (1 + e * e);
}

template <class T>
T softplus_curvature_of(T x) {
  const T e = exp_of_negative(-std::abs(x));
  return e / ((1 + e) * (1 + e));
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
