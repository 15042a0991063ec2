// GELU and its derivative in f32, a register at a time, where the processor looks up tables of 16.
#pragma once
#ifdef __AVX512F__
#include <cmath>
#include <numbers>
#include <type_traits>

#include "cpu/exp_table.h"
#include "cpu/gelu.h"
#include "cpu/vectors.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// exp(−t) = m 2ᵏ for t ≥ 0, k in 16ths and 2ᵏ of the whole part of k. t comes in two parts, both
// `factor` times as large. (By reference: ABIs differ.)
struct NegativeExp {
  __m512 m, k;
  __attribute__((always_inline)) NegativeExp(const __m512& t, const __m512& low, float factor) {
    const InSixteenths in(t, -factor);
    k = in.k;
    const __m512 r = in.rest(t, low, -factor);
    const __m512 p = _mm512_fmadd_ps(in.curve(r, -factor), r, _mm512_set1_ps(-1 / factor));
    const __m512 power = _mm512_permutexvar_ps(_mm512_castps_si512(in.shifted),
                                               _mm512_loadu_ps(kFloatSixteenths.data()));
    m = _mm512_fmadd_ps(_mm512_mul_ps(power, r), p, power);
  }
  __attribute__((always_inline)) __m512 times(const __m512& x) const {
    return _mm512_scalef_ps(_mm512_mul_ps(m, x), k);  // rounded once more where it is subnormal
  }
};

// Φ(−a) exp(a²/2) for 0 ≤ a ≤ 15: polynomials in the distance of a from the start of its piece,
// from the highest power down, fitted within 2⁻²³·⁵. The leading bits of 1 + a, which is from 1 to
// 16, say which of 16 pieces: in the order of these bits, those from 2 on come before those below.
inline constexpr float kNormalRatios[6][16] = {
    {-0x1.053c5ap-9f, -0x1.b3f000p-11f, -0x1.8949b0p-12f, -0x1.7c0194p-13f, -0x1.200508p-14f,
     -0x1.7088dap-16f, -0x1.1376d4p-17f, -0x1.d17648p-19f, -0x1.359db6p-20f, -0x1.64af00p-22f,
     -0x1.f82052p-24f, -0x1.9d5e3ep-25f, -0x1.46b1a2p-6f, -0x1.75c03ap-7f, -0x1.b77800p-8f,
     -0x1.0922e8p-8f},
    {0x1.1b79f8p-7f, 0x1.fd2ebcp-9f, 0x1.ee0102p-10f, 0x1.0043c6p-10f, 0x1.049c64p-11f,
     0x1.734e60p-13f, 0x1.332ec6p-14f, 0x1.1d6be4p-15f, 0x1.08f0cap-16f, 0x1.5b0e6ap-18f,
     0x1.1364c4p-19f, 0x1.f5a154p-21f, 0x1.f16c42p-5f, 0x1.294ae4p-5f, 0x1.6d4650p-6f,
     0x1.cc8834p-7f},
    {-0x1.9887d4p-6f, -0x1.97a6ccp-7f, -0x1.b5ddccp-8f, -0x1.f4d5bap-9f, -0x1.2b0c92p-9f,
     -0x1.f29610p-11f, -0x1.dc1024p-12f, -0x1.f7e606p-13f, -0x1.1d0892p-13f, -0x1.c1fbb4p-15f,
     -0x1.a3df0cp-16f, -0x1.b8d4e4p-17f, -0x1.0fe1acp-3f, -0x1.58cf20p-4f, -0x1.c14e42p-5f,
     -0x1.2c3314p-5f},
    {0x1.fca39cp-5f, 0x1.20328ep-5f, 0x1.5d24eap-6f, 0x1.bf2fdep-7f, 0x1.2bd17ap-7f, 0x1.2dbc52p-8f,
     0x1.541798p-9f, 0x1.a0e0eap-10f, 0x1.1020a6p-10f, 0x1.0b4f24p-11f, 0x1.2b8876p-12f,
     0x1.6fcf82p-13f, 0x1.fff918p-3f, 0x1.5c52b8p-3f, 0x1.e67db8p-4f, 0x1.5bf592p-4f},
    {-0x1.1951e6p-3f, -0x1.71c002p-4f, -0x1.00f9bcp-4f, -0x1.75ab4ap-5f, -0x1.19cdc4p-5f,
     -0x1.5cf8dap-6f, -0x1.d61484p-7f, -0x1.50689cp-7f, -0x1.f7d2ccp-8f, -0x1.37807cp-8f,
     -0x1.a5da60p-9f, -0x1.301286p-9f, -0x1.988440p-2f, -0x1.2e8646p-2f, -0x1.cb0620p-3f,
     -0x1.63e06ap-3f},
    {0x1.0bdb2ep-2f, 0x1.a57056p-3f, 0x1.5845dcp-3f, 0x1.217252p-3f, 0x1.f1b89ap-4f, 0x1.82b4bap-4f,
     0x1.3b0fbcp-4f, 0x1.095608p-4f, 0x1.c9e11ep-5f, 0x1.66ccb8p-5f, 0x1.26b4d0p-5f, 0x1.f3ddc2p-6f,
     0x1.000000p-1f, 0x1.a7f808p-2f, 0x1.66027ap-2f, 0x1.337024p-2f},
};
__attribute__((always_inline)) inline __m512 normal_ratio(const __m512& a) {
  const __m512i above = _mm512_castps_si512(_mm512_add_ps(a, _mm512_set1_ps(1)));
  const __m512i piece = _mm512_srli_epi32(above, 21);
  const __m512i start = _mm512_and_si512(above, _mm512_set1_epi32(~0x1fffff));
  const __m512 rest =
      _mm512_sub_ps(a, _mm512_sub_ps(_mm512_castsi512_ps(start), _mm512_set1_ps(1)));
  __m512 p = _mm512_permutexvar_ps(piece, _mm512_loadu_ps(kNormalRatios[0]));
#pragma GCC unroll 5
  for (int i = 1; i < 6; ++i)
    p = _mm512_fmadd_ps(p, rest, _mm512_permutexvar_ps(piece, _mm512_loadu_ps(kNormalRatios[i])));
  return p;
}

// NaN passes, as the instructions for the lesser and the greater give their second
// operand where one is NaN.
__attribute__((always_inline)) inline __m512 within_floats(const __m512& x, float most) {
  return _mm512_max_ps(_mm512_set1_ps(-most), _mm512_min_ps(_mm512_set1_ps(most), x));
}
// exp(−a²/2), by a² in two parts.
__attribute__((always_inline)) inline NegativeExp exp_of_half_square(const __m512& a) {
  const __m512 square = _mm512_mul_ps(a, a);
  return NegativeExp(square, _mm512_fmsub_ps(a, a, square), 2);
}

struct ErfGeluFloats {
  __attribute__((always_inline)) static void value(const Vector<float>& x, Vector<float>& out) {
    const __m512 v = __m512(x);
    const __m512 a = _mm512_min_ps(_mm512_abs_ps(v), _mm512_set1_ps(kFarthest<float>));
    const __m512 part = exp_of_half_square(a).times(_mm512_mul_ps(a, normal_ratio(a)));
    out = Vector<float>(_mm512_sub_ps(_mm512_max_ps(_mm512_set1_ps(-0.0f), v), part));
  }
  __attribute__((always_inline)) static void slope(const Vector<float>& x, Vector<float>& out) {
    const __m512 v = within_floats(__m512(x), kFarthest<float>), a = _mm512_abs_ps(v);
    const __m512 exp = exp_of_half_square(a).times(_mm512_set1_ps(1));
    const __m512 tail = _mm512_mul_ps(exp, normal_ratio(a));
    const __mmask16 upper = _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_GT_OQ);
    const __m512 share = _mm512_mask_sub_ps(tail, upper, _mm512_set1_ps(1), tail);
    constexpr auto kDensity = float(std::numbers::inv_sqrtpi / std::numbers::sqrt2);
    out = Vector<float>(_mm512_fmadd_ps(_mm512_mul_ps(v, _mm512_set1_ps(kDensity)), exp, share));
  }
};

struct TanhGeluFloats {
  __attribute__((always_inline)) static void value(const Vector<float>& x, Vector<float>& out) {
    const Weights weights{__m512(x)};
    const __m512 low = _mm512_max_ps(_mm512_set1_ps(-kFarthest<float>), __m512(x));
    out = Vector<float>(_mm512_mul_ps(low, weights.of));
  }
  __attribute__((always_inline)) static void slope(const Vector<float>& x, Vector<float>& out) {
    const Weights weights{__m512(x)};
    const __m512 rise = _mm512_fmadd_ps(weights.square, _mm512_set1_ps(3 * kFactor * kCubic),
                                        _mm512_set1_ps(kFactor));
    const __m512 inner = _mm512_mul_ps(weights.v, weights.of_negative);
    out = Vector<float>(_mm512_mul_ps(weights.of, _mm512_fmadd_ps(inner, rise, _mm512_set1_ps(1))));
  }

 private:
  static constexpr float kFactor = float(math::kTanhGeluFactor),
                         kCubic = float(math::kTanhGeluCubic);
  struct Weights {
    __m512 v, square;
    __m512 of, of_negative;  // 1 / (1 + exp(−u)), 1 / (1 + exp(u))
    __attribute__((always_inline)) explicit Weights(const __m512& x)
        : v(within_floats(x, kFarthest<float>)), square(_mm512_mul_ps(v, v)) {
      const __m512 one = _mm512_set1_ps(1);
      const __m512 factor =
          _mm512_fmadd_ps(square, _mm512_set1_ps(kFactor * kCubic), _mm512_set1_ps(kFactor));
      const __m512 u = _mm512_mul_ps(v, factor);
      const NegativeExp exp(_mm512_abs_ps(u), _mm512_setzero_ps(), 1);
      const __m512 e = exp.times(one), sum = _mm512_add_ps(one, e);
      const __m512 inverse = _mm512_div_ps(one, sum);
      const __m512 small = _mm512_mul_ps(e, inverse);
      const __mmask16 is_low = _mm512_cmp_ps_mask(u, _mm512_setzero_ps(), _CMP_LT_OQ);
      of = _mm512_mask_mov_ps(inverse, is_low, small);
      of_negative = _mm512_mask_mov_ps(small, is_low, inverse);
    }
  };
};

template <class Form>
using GeluFloats = std::conditional_t<std::is_same_v<Form, ErfGelu>, ErfGeluFloats, TanhGeluFloats>;

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
#endif
