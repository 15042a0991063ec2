// Normal numbers from pairs of uniform ones, in a form that the compiler turns into SIMD.
#pragma once
#include "cpu/elementary.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

struct CosineAndSine {
  double cosine, sine;
};

// Of 2π w / 2³², within 2⁻³⁶: what is left of w beyond whole quarters, by Taylor's series.
inline CosineAndSine cosine_and_sine(uint32_t w) {
  const uint32_t quarter = (w + (1u << 29)) >> 30;
  const double r = double(int32_t(w - (quarter << 30))) * (2 * std::numbers::pi * 0x1p-32);
  const double s = r * r;
  double sine = -1.0 / 39916800, cosine = 1.0 / 479001600;
#pragma GCC unroll 5
  for (double c : {1.0 / 362880, -1.0 / 5040, 1.0 / 120, -1.0 / 6, 1.0}) sine = fused(sine, s, c);
#pragma GCC unroll 6
  for (double c : {-1.0 / 3628800, 1.0 / 40320, -1.0 / 720, 1.0 / 24, -0.5, 1.0})
    cosine = fused(cosine, s, c);
  sine *= r;
  const bool odd = double(int32_t(quarter & 1)) != 0;
  const double cosine_sign = double(1 - int32_t((quarter + 1) & 2)),
               sine_sign = double(1 - int32_t(quarter & 2));
  return {cosine_sign * (odd ? sine : cosine), sine_sign * (odd ? cosine : sine)};
}

// Two numbers from two words, with the digits of f32.
inline void box_muller(const uint32_t* words, int64_t pairs, double* out) {
  for (int64_t p = 0; p < pairs; ++p) {
    const double u = (double(words[2 * p]) + 1) * 0x1p-32, radius = std::sqrt(-2 * log_of(u));
    const auto [cosine, sine] = cosine_and_sine(words[2 * p + 1]);
    out[2 * p] = radius * cosine, out[2 * p + 1] = radius * sine;
  }
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
