// The multiplicative step of exponentiated gradient in f32, a register at a time: the bits of
// math/exponentiated.h, in half of the instructions into which its comparisons are compiled.
#pragma once
#ifdef __AVX512F__
#include <bit>
#include <numbers>

#include "cpu/exp.h"
#include "cpu/for_vectors.h"
#include "math/exponentiated.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// The instructions for the lesser and the greater give their second operand where one is NaN, so
// that NaN passes.
class ExponentiateFloats {
 public:
  ExponentiateFloats(float keep, float cautious, float rate)
      : keep_(_mm512_set1_ps(keep)),
        keep_where_less_(_mm512_set1_ps(keep - cautious)),
        rate_(_mm512_set1_ps(rate)) {}

  // w and u as `exponentiate` has them; the number of exponents that are cut. What is next is asked
  // for line by line, as lines that are asked for together would be waited for.
  int32_t operator()(float* w, float* u, int64_t n, const float* next_grads) const {
    int32_t cuts = 0;
    for_vectors<float>(n, [&](int64_t j, auto count) {
      __builtin_prefetch(w + n + j), __builtin_prefetch(next_grads + j);
      Vector<float> weights, updates;
      load_part(w + j, count, 0, weights), load_part(u + j, count, 0, updates);
      cuts += std::popcount(step(weights, updates));
      store_part(weights, count, w + j), store_part(updates, count, u + j);
    });
    return cuts;
  }

 private:
  static __m512 constant(double x) { return _mm512_set1_ps(float(x)); }
  static __m512 sign_bits() { return _mm512_set1_ps(-0.0f); }

  // Which exponents are cut.
  __attribute__((always_inline)) uint32_t step(Vector<float>& weight, Vector<float>& update) const {
    const __m512 w = __m512(weight), kSign = sign_bits(), zero = _mm512_setzero_ps();
    const __m512 towards = _mm512_mul_ps(rate_, __m512(update));
    // Its sign changes where w has none.
    const __m512 against = _mm512_xor_ps(towards, _mm512_andnot_ps(w, kSign));
    const __m512 exponent = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(w, zero, _CMP_NEQ_UQ), against);
    const __m512 most = constant(math::kMostEgExponent), least = constant(-math::kMostEgExponent);
    const __mmask16 cut = _mm512_cmp_ps_mask(_mm512_andnot_ps(kSign, exponent), most, _CMP_GT_OQ);

    const __m512 x = _mm512_min_ps(most, _mm512_max_ps(least, exponent));
    const __m512 shift = _mm512_set1_ps(kFloatShift),
                 shifted = _mm512_fmadd_ps(x, _mm512_set1_ps(std::numbers::log2e_v<float>), shift),
                 k = _mm512_sub_ps(shifted, shift);
    const __m512 r = _mm512_fnmadd_ps(k, _mm512_set1_ps(math::kFloatLogTwoRest),
                                      _mm512_fnmadd_ps(k, _mm512_set1_ps(math::kFloatLogTwo), x));
    constexpr int32_t kUnit = 127 - std::bit_cast<int32_t>(kFloatShift);
    const __m512 power = _mm512_castsi512_ps(_mm512_slli_epi32(
        _mm512_add_epi32(_mm512_castps_si512(shifted), _mm512_set1_epi32(kUnit)), 23));
    __m512 p = _mm512_set1_ps(kExpCurve[0]);
#pragma GCC unroll 4
    for (int i = 1; i < 5; ++i) p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(kExpCurve[i]));
    const __m512 q = _mm512_fmadd_ps(p, _mm512_mul_ps(r, r), r), one = _mm512_set1_ps(1);
    const __m512 exponential = _mm512_mul_ps(power, _mm512_add_ps(one, q)),
                 less_one = _mm512_fmadd_ps(power, q, _mm512_sub_ps(power, one));

    const __mmask16 is_less = _mm512_cmp_ps_mask(exponent, zero, _CMP_LE_OQ);
    const __m512 kept = _mm512_mask_mov_ps(keep_, is_less, keep_where_less_);
    const __m512 size = _mm512_andnot_ps(kSign, w), grown = _mm512_mul_ps(size, exponential);
    const __m512 low = _mm512_min_ps(size, constant(math::kLeastEgSize)),
                 high = _mm512_max_ps(size, constant(math::kMostEgSize));
    const __m512 nearest = _mm512_min_ps(high, _mm512_max_ps(low, grown));
    const __mmask16 holds = _mm512_cmp_ps_mask(nearest, grown, _CMP_EQ_UQ);
    update = Vector<float>(_mm512_mask_mul_ps(_mm512_sub_ps(nearest, size), holds, size, less_one));
    const __m512 decayed = _mm512_max_ps(low, _mm512_mul_ps(kept, nearest));
    weight = Vector<float>(_mm512_or_ps(_mm512_and_ps(w, kSign), _mm512_andnot_ps(kSign, decayed)));
    return cut;
  }

  __m512 keep_, keep_where_less_, rate_;
};

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
#endif
