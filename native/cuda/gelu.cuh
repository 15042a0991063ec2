// GELU and its derivative, in f64.
#pragma once
#include <numbers>

#include "cuda/exp.cuh"
#include "math/normal.h"

namespace orthokit::cuda {

// exp(−a² / 2) for 0 ≤ a ≤ 40. a² rounds, which would cost a²/2 units: the rounding error is
// applied afterwards.
__device__ __forceinline__ double exp_of_half_square(double a) {
  const double square = a * a, rest = fma(a, a, -square) / 2;
  return exp_of_negative(-square / 2) * (1 - rest);
}

// (1 + 2z) exp(z²) erfc(z) for z ≥ 0.
__device__ __forceinline__ double scaled_erfc_polynomial(double z) {
  constexpr math::ScaledErfc series = math::kScaledErfc;
  const double t = (z - math::kScaledErfcCentre) / (z + math::kScaledErfcCentre);
  double p = 0;
#pragma unroll
  for (double coefficient : series.coefficients) p = fma(p, t, coefficient);
  return p;
}

struct Normal {
  double distribution, density;  // Φ(x), φ(x)
};

__device__ __forceinline__ Normal normal_at(double x) {
  const double size = fabs(x), a = size > math::kFarthestNormal ? math::kFarthestNormal : size,
               z = a * (1 / std::numbers::sqrt2);
  const double e = exp_of_half_square(a);
  const double tail = 0.5 * e * scaled_erfc_polynomial(z) / (1 + 2 * z);
  return {x > 0 ? 1 - tail : tail, e * (std::numbers::inv_sqrtpi / std::numbers::sqrt2)};
}

// Infinity as a number beyond which nothing changes: times 0 it must be 0.
__device__ __forceinline__ double not_below(double x, double least) {
  return x < least ? least : x;
}
__device__ __forceinline__ double within(double x, double most) {
  const double low = x < -most ? -most : x;
  return low > most ? most : low;
}

struct ErfGelu {
  static __device__ double value(double x) {
    return not_below(x, -math::kFarthestNormal) * normal_at(x).distribution;
  }
  static __device__ double slope(double x) {
    const Normal normal = normal_at(x);
    return normal.distribution + within(x, math::kFarthestNormal) * normal.density;
  }
};

struct TanhGelu {
  static constexpr double kFactor = math::kTanhGeluFactor, kCubic = math::kTanhGeluCubic;

  // (1 + tanh(u / 2)) / 2 = 1 / (1 + exp(−u))
  static __device__ double weight(double u) {
    const double e = exp_of_negative(-fabs(u));
    return (u < 0 ? e : 1) / (1 + e);
  }
  static __device__ double value(double x) {
    const double finite = within(x, math::kFarthestNormal);
    return not_below(x, -math::kFarthestNormal) *
           weight(kFactor * finite * (1 + kCubic * finite * finite));
  }
  static __device__ double slope(double x) {
    const double v = within(x, math::kFarthestNormal), u = kFactor * v * (1 + kCubic * v * v);
    const double e = exp_of_negative(-fabs(u)), small = e / (1 + e), large = 1 / (1 + e);
    const double s = u < 0 ? small : large, rest = u < 0 ? large : small;  // s and 1 − s
    return s * (1 + v * rest * kFactor * (1 + 3 * kCubic * v * v));
  }
};

}  // namespace orthokit::cuda
