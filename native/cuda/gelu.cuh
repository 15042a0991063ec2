// GELU in f64, as on the CPU.
#pragma once
#include <numbers>

#include "cuda/device/launch.cuh"

namespace orthokit::cuda {

// exp(−a² / 2) within 4 ulp for 0 ≤ a ≤ 40. a² rounds, which would cost a²/2 units: the rounding
// error is applied afterwards.
__device__ __forceinline__ double exp_of_half_square(double a) {
  const double high = __longlong_as_double(__double_as_longlong(a) & ~0x7ffffffll);
  const double rest = (high - a) * (high + a) / 2;  // the upper 26 bits have an exact square
  return exp(-high * high / 2) * (1 + rest * (1 + rest * (0.5 + rest / 6)));
}

// (1 + 2z) exp(z²) erfc(z) for z ≥ 0, within 2 ulp: the polynomial of cpu/gelu.h.
__device__ __forceinline__ double scaled_erfc_polynomial(double z) {
  constexpr double kCoefficients[] = {
      -0x1.6884628ace07ap-29, -0x1.0cb63a80de2c5p-29, 0x1.12b326b5668bfp-25, 0x1.42d2ea1df7aecp-26,
      -0x1.0ae6bf9452a1fp-22, -0x1.b4c0937b25a0bp-25, 0x1.d39c1a3875509p-20, -0x1.06de6954a39b5p-20,
      -0x1.7fcc159f9a760p-17, 0x1.7799dcd2368cbp-16,  0x1.b13e13fe20445p-15, -0x1.303ffbfe45e88p-12,
      0x1.33fb5a5e7ca14p-12,  0x1.cc3a13daa5d95p-10,  -0x1.3f603c7e65d24p-7, 0x1.d0b0037036098p-6,
      -0x1.e0d0fa6c16f3fp-5,  0x1.7a14188ae18fap-4,   -0x1.bda9309a35871p-4, 0x1.510169d093c18p-4,
      0x1.d5f294816277ep-9,   -0x1.1f367683f8967p-3,  0x1.3ccda0b5d5dc2p+0};
  constexpr int kCount = int(sizeof kCoefficients / sizeof(double));
  const double t = (z - 3.75) / (z + 3.75);
  double p = 0;
#pragma unroll
  for (int i = 0; i < kCount; ++i) p = fma(p, t, kCoefficients[i]);
  return p;
}

struct ErfGelu {
  static __device__ __forceinline__ double value(double x) {
    const double size = fabs(x), a = size > 40 ? 40 : size, z = a * (1 / std::numbers::sqrt2);
    const double tail = 0.5 * exp_of_half_square(a) * scaled_erfc_polynomial(z) / (1 + 2 * z);
    const double finite = x < -40 ? -40 : x;  // infinity times 0 must be 0
    return finite * (x > 0 ? 1 - tail : tail);
  }
};

}  // namespace orthokit::cuda
