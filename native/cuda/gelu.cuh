// GELU and its derivative, in f64: the series and the ends of cpu/gelu.h.
#pragma once
#include <numbers>

#include "cuda/exp.cuh"

namespace orthokit::cuda {

// exp(−a² / 2) for 0 ≤ a ≤ 40. a² rounds, which would cost a²/2 units: the rounding error is applied
// afterwards.
__device__ __forceinline__ double exp_of_half_square(double a) {
  const double square = a * a, rest = fma(a, a, -square) / 2;
  return exp_of_negative(-square / 2) * (1 - rest);
}

// (1 + 2z) exp(z²) erfc(z) for z ≥ 0 as a polynomial in (z − 3.75) / (z + 3.75).
__device__ __forceinline__ double scaled_erfc_polynomial(double z) {
  constexpr double kCoefficients[] = {
      -0x1.6884628ace07ap-29, -0x1.0cb63a80de2c5p-29, 0x1.12b326b5668bfp-25, 0x1.42d2ea1df7aecp-26,
      -0x1.0ae6bf9452a1fp-22, -0x1.b4c0937b25a0bp-25, 0x1.d39c1a3875509p-20, -0x1.06de6954a39b5p-20,
      -0x1.7fcc159f9a760p-17, 0x1.7799dcd2368cbp-16,  0x1.b13e13fe20445p-15, -0x1.303ffbfe45e88p-12,
      0x1.33fb5a5e7ca14p-12,  0x1.cc3a13daa5d95p-10,  -0x1.3f603c7e65d24p-7, 0x1.d0b0037036098p-6,
      -0x1.e0d0fa6c16f3fp-5,  0x1.7a14188ae18fap-4,   -0x1.bda9309a35871p-4, 0x1.510169d093c18p-4,
      0x1.d5f294816277ep-9,   -0x1.1f367683f8967p-3,  0x1.3ccda0b5d5dc2p+0};
  const double t = (z - 3.75) / (z + 3.75);
  double p = 0;
#pragma unroll
  for (double coefficient : kCoefficients) p = fma(p, t, coefficient);
  return p;
}

struct Normal {
  double distribution, density;  // Φ(x), φ(x)
};

__device__ __forceinline__ Normal normal_at(double x) {
  const double size = fabs(x), a = size > 40 ? 40 : size, z = a * (1 / std::numbers::sqrt2);
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
  static __device__ double value(double x) { return not_below(x, -40) * normal_at(x).distribution; }
  static __device__ double slope(double x) {
    const Normal normal = normal_at(x);
    return normal.distribution + within(x, 40) * normal.density;
  }
};

struct TanhGelu {
  static constexpr double kFactor = 1.5957691216057308, kCubic = 0.044715;  // √(8/π)

  // (1 + tanh(u / 2)) / 2 = 1 / (1 + exp(−u))
  static __device__ double weight(double u) {
    const double e = exp_of_negative(-fabs(u));
    return (u < 0 ? e : 1) / (1 + e);
  }
  static __device__ double value(double x) {
    const double finite = within(x, 40);
    return not_below(x, -40) * weight(kFactor * finite * (1 + kCubic * finite * finite));
  }
  static __device__ double slope(double x) {
    const double v = within(x, 40), u = kFactor * v * (1 + kCubic * v * v);
    const double e = exp_of_negative(-fabs(u)), small = e / (1 + e), large = 1 / (1 + e);
    const double s = u < 0 ? small : large, rest = u < 0 ? large : small;  // s and 1 − s
    return s * (1 + v * rest * kFactor * (1 + 3 * kCubic * v * v));
  }
};

}  // namespace orthokit::cuda
