// GELU and its derivative, in f64, in a form that the compiler turns into SIMD.
#pragma once
#include <cmath>
#include <numbers>

#include "cpu/exp.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// exp(−a² / 2) within 4 ulp for 0 ≤ a ≤ 40. a² rounds, which would cost a²/2 units: the rounding
// error is applied afterwards.
inline double exp_of_half_square(double a) {
  const double high = std::bit_cast<double>(std::bit_cast<uint64_t>(a) & ~uint64_t(0x7ffffff));
  const double rest = (high - a) * (high + a) / 2;  // the upper 26 bits have an exact square
  return exp_of_negative(-high * high / 2) * (1 + rest * (1 + rest * (0.5 + rest / 6)));
}

// (1 + 2z) exp(z²) erfc(z) for z ≥ 0 as a polynomial in (z − 3.75) / (z + 3.75), the map of
// Shepherd and Laframboise (1981): its Chebyshev series to degree 22, computed to 50 digits from
// values at 60 nodes, summed by powers. Relative error below 2 ulp.
inline double scaled_erfc_polynomial(double z) {
  const double t = (z - 3.75) / (z + 3.75);
  double p = 0;
#pragma GCC unroll 23  // only then does the loop over elements become SIMD
  for (double coefficient : {-0x1.6884628ace07ap-29, -0x1.0cb63a80de2c5p-29, 0x1.12b326b5668bfp-25,
                             0x1.42d2ea1df7aecp-26,  -0x1.0ae6bf9452a1fp-22, -0x1.b4c0937b25a0bp-25,
                             0x1.d39c1a3875509p-20,  -0x1.06de6954a39b5p-20, -0x1.7fcc159f9a760p-17,
                             0x1.7799dcd2368cbp-16,  0x1.b13e13fe20445p-15,  -0x1.303ffbfe45e88p-12,
                             0x1.33fb5a5e7ca14p-12,  0x1.cc3a13daa5d95p-10,  -0x1.3f603c7e65d24p-7,
                             0x1.d0b0037036098p-6,   -0x1.e0d0fa6c16f3fp-5,  0x1.7a14188ae18fap-4,
                             -0x1.bda9309a35871p-4,  0x1.510169d093c18p-4,   0x1.d5f294816277ep-9,
                             -0x1.1f367683f8967p-3,  0x1.3ccda0b5d5dc2p+0})
    p = p * t + coefficient;
  return p;
}

struct Normal {
  double distribution, density;  // Φ(x), φ(x)
};

inline Normal normal_at(double x) {
  const double size = std::abs(x), a = size > 40 ? 40 : size, z = a * (1 / std::numbers::sqrt2);
  const double e = exp_of_half_square(a);
  const double tail = 0.5 * e * scaled_erfc_polynomial(z) / (1 + 2 * z);
  return {x > 0 ? 1 - tail : tail, e * (std::numbers::inv_sqrtpi / std::numbers::sqrt2)};
}

// Infinity as a number beyond which nothing changes: times 0 it must be 0.
inline double not_below(double x, double least) { return x < least ? least : x; }
inline double within(double x, double most) {
  const double low = x < -most ? -most : x;
  return low > most ? most : low;
}

struct ErfGelu {
  static double value(double x) { return not_below(x, -40) * normal_at(x).distribution; }
  static double slope(double x) {
    const auto [distribution, density] = normal_at(x);
    return distribution + within(x, 40) * density;
  }
};

struct TanhGelu {
  static constexpr double kFactor = 1.5957691216057308, kCubic = 0.044715;  // √(8/π)

  // (1 + tanh(u / 2)) / 2 = 1 / (1 + exp(−u))
  static double weight(double u) {
    const double e = exp_of_negative(-std::abs(u));
    return (u < 0 ? e : 1) / (1 + e);
  }
  static double value(double x) {
    const double finite = within(x, 40);
    return not_below(x, -40) * weight(kFactor * finite * (1 + kCubic * finite * finite));
  }
  static double slope(double x) {
    const double v = within(x, 40), u = kFactor * v * (1 + kCubic * v * v);
    // s (1 − s), where 1 − s is the weight of −u
    return weight(u) * (1 + v * weight(-u) * kFactor * (1 + 3 * kCubic * v * v));
  }
};

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
