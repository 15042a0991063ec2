// GELU and its derivative, in f64 and in f32, in a form that the compiler turns into SIMD.
#pragma once
#include <cmath>
#include <numbers>

#include "cpu/exp.h"
#include "math/normal.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// exp(−a² / 2) within 4 ulp for 0 ≤ a ≤ 40. a² rounds, which would cost a²/2 units: the rounding
// error is applied afterwards.
inline double exp_of_half_square(double a) {
  const double high = std::bit_cast<double>(std::bit_cast<uint64_t>(a) & ~uint64_t(0x7ffffff));
  const double rest = (high - a) * (high + a) / 2;  // the upper 26 bits have an exact square
  return exp_of_negative(-high * high / 2) * (1 + rest * (1 + rest * (0.5 + rest / 6)));
}

// (1 + 2z) exp(z²) erfc(z) for z ≥ 0.
inline double scaled_erfc_polynomial(double z) {
  const double t = (z - math::kScaledErfcCentre) / (z + math::kScaledErfcCentre);
  double p = 0;
#pragma GCC unroll 23  // only then does the loop over elements become SIMD
  for (double coefficient : math::kScaledErfc.coefficients) p = fused(p, t, coefficient);
  return p;
}

// At a = |x|: exp(−a²/2) and Φ(−a) exp(a²/2), where Φ is the distribution of the normal law. Their
// product is the tail; it may be subnormal where a times it is not.
template <class T>
struct Normal {
  T exponential, ratio;
  T tail() const { return exponential * ratio; }
  T density() const { return exponential * T(std::numbers::inv_sqrtpi / std::numbers::sqrt2); }
};

inline Normal<double> normal_at(double a) {
  const double e = exp_of_half_square(a), z = a * (1 / std::numbers::sqrt2);
  return {e, 0.5 * scaled_erfc_polynomial(z) / (1 + 2 * z)};
}

// The rounding error of a².
inline float rest_of_square(float a, float square) {
#ifdef __FMA__
  return __builtin_fmaf(a, a, -square);
#else
  const float high = std::bit_cast<float>(std::bit_cast<uint32_t>(a) & ~0xfffu), low = a - high;
  return ((high * high - square) + 2 * high * low) + low * low;
#endif
}

// (a + 3.5) Φ(−a) exp(a²/2) for 0 ≤ a ≤ 15 as a polynomial in (a − 3.5) / (a + 3.5), fitted to the
// smallest relative error, 2⁻²⁶·⁹.
inline Normal<float> normal_at(float a) {
  const float square = a * a;
  const float e = exp_of_negative(-0.5f * square) * fused(rest_of_square(a, square), -0.5f, 1.0f);
  const float inverse = 1 / (a + 3.5f), t = (a - 3.5f) * inverse;
  float p = 0x1.c7e57ep-14f;
#pragma GCC unroll 9
  for (float coefficient :
       {0x1.b6a4f8p-12f, -0x1.038b2cp-11f, -0x1.9fde7cp-9f, 0x1.a992aap-8f, 0x1.1d2d4ep-6f,
        -0x1.db5a92p-4f, 0x1.42feccp-2f, -0x1.21914ep-1f, 0x1.7d241ap-1f})
    p = fused(p, t, coefficient);
  return {e, p * inverse};
}

// From where on nothing changes: Φ(−a) is 0. Infinity becomes it, as it times 0 must be 0.
template <class T>
inline constexpr T kFarthest = sizeof(T) == 4 ? T(15) : T(math::kFarthestNormal);

template <class T>
T not_below(T x, T least) {
  return x < least ? least : x;
}
template <class T>
T within(T x, T most) {
  const T low = x < -most ? -most : x;
  return low > most ? most : low;
}

struct ErfGelu {
  template <class T>
  static T value(T x) {
    const T a = std::abs(within(x, kFarthest<T>));
    const auto [exponential, ratio] = normal_at(a);
    const T part = exponential * (a * ratio);
    return x < 0 ? -part : x - part;
  }
  template <class T>
  static T slope(T x) {
    const T v = within(x, kFarthest<T>);
    const auto normal = normal_at(std::abs(v));
    return fused(v, normal.density(), x > 0 ? 1 - normal.tail() : normal.tail());
  }
};

struct TanhGelu {
  template <class T>
  static constexpr T kFactor = T(math::kTanhGeluFactor);
  template <class T>
  static constexpr T kCubic = T(math::kTanhGeluCubic);

  template <class T>
  struct Weights {
    T of, of_negative;  // 1 / (1 + exp(−u)), 1 / (1 + exp(u))
  };
  template <class T>
  static Weights<T> weights(T v) {
    const T u = kFactor<T> * v * fused(kCubic<T> * v, v, T(1));
    const T e = exp_of_negative(-std::abs(u)), inverse = 1 / (1 + e), small = e * inverse;
    return {u < 0 ? small : inverse, u < 0 ? inverse : small};
  }
  template <class T>
  static T value(T x) {
    return not_below(x, -kFarthest<T>) * weights(within(x, kFarthest<T>)).of;
  }
  template <class T>
  static T slope(T x) {
    const T v = within(x, kFarthest<T>);
    const auto [of, of_negative] = weights(v);
    const T rise = kFactor<T> * fused(3 * kCubic<T> * v, v, T(1));
    return of * fused(v * of_negative, rise, T(1));
  }
};

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
