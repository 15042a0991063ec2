// Powers of 2 between 1 and 2, by which exponentials are reduced to a narrow range.
#pragma once
#include <array>
#include <cstdint>
#include <numbers>

#include "cpu/vectors.h"
#include "math/exp.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// 2^(j / 16)
inline constexpr std::array<double, 16> kSixteenths = {
    0x1.0000000000000p+0, 0x1.0b5586cf9890fp+0, 0x1.172b83c7d517bp+0, 0x1.2387a6e756238p+0,
    0x1.306fe0a31b715p+0, 0x1.3dea64c123422p+0, 0x1.4bfdad5362a27p+0, 0x1.5ab07dd485429p+0,
    0x1.6a09e667f3bcdp+0, 0x1.7a11473eb0187p+0, 0x1.8ace5422aa0dbp+0, 0x1.9c49182a3f090p+0,
    0x1.ae89f995ad3adp+0, 0x1.c199bdd85529cp+0, 0x1.d5818dcfba487p+0, 0x1.ea4afa2a490dap+0};
inline constexpr std::array<float, 16> kFloatSixteenths = [] {
  std::array<float, 16> rounded{};
  for (int j = 0; j < 16; ++j) rounded[j] = float(kSixteenths[j]);
  return rounded;
}();

// A sum with this ends in the nearest part of 1, of as many as `parts`, a power of 2.
constexpr float float_shift(int parts) { return 0x1.8p23f / float(parts); }

#ifdef __AVX512F__
// For exp(v / unit): v / unit = k ln 2 + r / unit with k in 16ths. (By reference: ABIs differ.)
struct InSixteenths {
  __m512 shifted, k;  // the last bits of `shifted` are those of 16 k
  __attribute__((always_inline)) explicit InSixteenths(const __m512& v, float unit = 1)
      : shifted(_mm512_fmadd_ps(v, _mm512_set1_ps(std::numbers::log2e_v<float> / unit),
                                _mm512_set1_ps(float_shift(16)))),
        k(_mm512_sub_ps(shifted, _mm512_set1_ps(float_shift(16)))) {}
  // r, with `low` added to v.
  __attribute__((always_inline)) __m512 rest(const __m512& v, const __m512& low,
                                             float unit = 1) const {
    return _mm512_add_ps(_mm512_fnmadd_ps(k, _mm512_set1_ps(unit * math::kFloatLogTwo), v),
                         _mm512_fnmadd_ps(k, _mm512_set1_ps(unit * math::kFloatLogTwoRest), low));
  }
  // (exp(r / unit) − 1 − r / unit) / r², fitted so that the exponential is within 2⁻²⁹.
  __attribute__((always_inline)) static __m512 curve(const __m512& r, float unit = 1) {
    const float by = 1 / unit;
    return _mm512_fmadd_ps(_mm512_set1_ps(0x1.555740p-3f * by * by * by), r,
                           _mm512_set1_ps(0x1.00022ap-1f * by * by));
  }
};
#endif

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
