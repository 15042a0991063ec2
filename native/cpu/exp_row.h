// Exponentials of the elements of a row, relative to its largest one, a register at a time.
#pragma once
#include <bit>
#include <cmath>
#include <numbers>

#include "cpu/exp_eight.h"
#include "cpu/exp_table.h"
#include "cpu/vectors.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// exp(x − max), by exp_of_eight; `of_max` is that of the largest element itself.
struct DoubleExps {
  double max;
  static constexpr bool fits(double) { return true; }
  double of_max() const { return 1; }
#ifdef __AVX512F__
  // With a table of the 16 powers of 2 between 1 and 2, in half the steps, within 1.2 ulp.
  __attribute__((always_inline)) void operator()(const Vector<double>& x,
                                                 Vector<double>& out) const {
    const auto by = [](double v) { return _mm512_set1_pd(v); };
    const __m512d d = _mm512_sub_pd(__m512d(x), by(max));
    // A sum with this ends in the nearest 16th.
    const __m512d shift = by(0x1.8p48);
    const __m512d shifted = _mm512_fmadd_pd(d, by(std::numbers::log2e), shift);
    const __m512d k = _mm512_sub_pd(shifted, shift);
    __m512d r = _mm512_fnmadd_pd(k, by(math::kLogTwo), d);
    r = _mm512_fnmadd_pd(k, by(math::kLogTwoRest), r);
    // exp(r) − 1 − r for |r| ≤ ln 2 / 32, fitted within 2⁻⁵⁶.
    __m512d p = by(0x1.6c185eb2984afp-10);
#pragma GCC unroll 4
    for (double coefficient :
         {0x1.11123b49f16a6p-7, 0x1.555555545dbe1p-5, 0x1.555555548eb8fp-3, 0x1.0000000000005p-1})
      p = _mm512_fmadd_pd(p, r, by(coefficient));
    p = _mm512_fmadd_pd(p, _mm512_mul_pd(r, r), r);
    const __m512d power =
        _mm512_permutex2var_pd(_mm512_loadu_pd(kSixteenths.data()), _mm512_castpd_si512(shifted),
                               _mm512_loadu_pd(kSixteenths.data() + 8));
    const __mmask8 counts = _mm512_cmp_pd_mask(d, by(math::kLeastExponent), _CMP_NLT_UQ);
    out = Vector<double>(_mm512_maskz_scalef_pd(counts, _mm512_fmadd_pd(power, p, power), k));
  }
#else
  __attribute__((always_inline)) void operator()(const Vector<double>& x,
                                                 Vector<double>& out) const {
    exp_of_eight(x - max, out);
  }
#endif
};

// exp(x − max) in units, by exp_of_difference, for any row and every processor.
struct FloatDifferences {
  float max;
  static constexpr bool fits(float) { return true; }
  double of_max() const { return double(kExpOfDifferenceUnit<float>); }
};

#ifdef __AVX2__
// 2⁶⁴⁻ᴷ exp(x) with 2ᴷ near exp(max): an element is reduced by itself, which is exact, where its
// difference from the largest one is not. A table holds the powers of 2 between 1 and 2, rounded,
// and what they lack as a part of them, so that results are within 0.55 ulp. 0 where x lies more
// than 120 below.
struct FloatExps {
#ifdef __AVX512F__
  static constexpr int kTableBits = 4;
#else
  static constexpr int kTableBits = 3;
#endif
  static constexpr int kTable = 1 << kTableBits;
  static bool fits(float max) { return std::abs(max) < 0x1p14f; }
  // Of a row: the largest element, and what is added to the exponents of powers.
  struct Row {
    float max;
    uint32_t exponent;
    Row() = default;
    explicit Row(float max) : max(max), exponent(uint32_t(64 - power_near(max)) << 23) {}
    static int32_t power_near(float max) {
      return fits(max) ? int32_t(std::nearbyint(max * std::numbers::log2e_v<float>)) : 0;
    }
  };
  explicit FloatExps(const Row& row) : least_(row.max - 120), max_(row.max) {
    load<uint32_t>(kTables.powers, powers_), load<float>(kTables.rests, rests_);
    powers_ += row.exponent;
  }
  double of_max() const {
    Vector<float> exp;
    (*this)(Vector<float>{} + max_, exp);
    return double(exp[0]);
  }
  __attribute__((always_inline)) void operator()(const Vector<float>& x, Vector<float>& out) const {
#ifdef __AVX512F__
    const __m512 v = __m512(x);
    const InSixteenths in(v);
    const __m512i bits = _mm512_castps_si512(in.shifted);
    const __m512 r = in.rest(v, _mm512_permutexvar_ps(bits, __m512(rests_)));
    const __m512 p = _mm512_fmadd_ps(in.curve(r), _mm512_mul_ps(r, r), r);
    const __m512 power =
        _mm512_castsi512_ps(_mm512_add_epi32(_mm512_slli_epi32(bits, 23 - kTableBits),
                                             _mm512_permutexvar_epi32(bits, __m512i(powers_))));
    const __mmask16 counts = _mm512_cmp_ps_mask(v, _mm512_set1_ps(least_), _CMP_NLT_UQ);
    out = Vector<float>(_mm512_maskz_fmadd_ps(counts, power, p, power));
#else
    const auto by = [](float v) { return _mm256_set1_ps(v); };
    const __m256 v = __m256(x), shift = by(float_shift(kTable));
    const __m256 shifted = _mm256_fmadd_ps(v, by(std::numbers::log2e_v<float>), shift);
    const __m256 k = _mm256_sub_ps(shifted, shift);
    const __m256i bits = _mm256_castps_si256(shifted);
    const __m256 rest = _mm256_permutevar8x32_ps(__m256(rests_), bits);
    const __m256 r = _mm256_add_ps(_mm256_fnmadd_ps(k, by(math::kFloatLogTwo), v),
                                   _mm256_fnmadd_ps(k, by(math::kFloatLogTwoRest), rest));
    // exp(r) − 1 − r for |r| ≤ ln 2 / 16, fitted within 2⁻³².
    __m256 p = _mm256_fmadd_ps(by(0x1.555dd2p-5f), r, by(0x1.555c9ap-3f));
    p = _mm256_fmadd_ps(p, r, by(0x1p-1f));
    p = _mm256_fmadd_ps(p, _mm256_mul_ps(r, r), r);
    const __m256 power =
        _mm256_castsi256_ps(_mm256_add_epi32(_mm256_slli_epi32(bits, 23 - kTableBits),
                                             _mm256_permutevar8x32_epi32(__m256i(powers_), bits)));
    out = Vector<float>(
        _mm256_and_ps(_mm256_cmp_ps(v, by(least_), _CMP_NLT_UQ), _mm256_fmadd_ps(power, p, power)));
#endif
  }

 private:
  struct Tables {             // of 2^(j / kTable)
    uint32_t powers[kTable];  // less what the lower bits of `shifted` add to the exponent
    float rests[kTable];
  };
  static constexpr Tables kTables = [] {
    Tables tables{};
    for (int j = 0; j < kTable; ++j) {
      const int step = j << (4 - kTableBits);
      const float power = kFloatSixteenths[step];
      tables.powers[j] = std::bit_cast<uint32_t>(power) - (uint32_t(j) << (23 - kTableBits));
      tables.rests[j] = float((kSixteenths[step] - double(power)) / double(power));
    }
    return tables;
  }();
  Vector<uint32_t> powers_;
  Vector<float> rests_;
  float least_, max_;
};
#endif

// The exponentials that a row takes unless its largest element does not fit.
template <class T>
struct RowExps;
template <>
struct RowExps<double> : DoubleExps {
  using Row = double;
  explicit RowExps(double max) : DoubleExps{max} {}
};
#ifdef __AVX2__
template <>
struct RowExps<float> : FloatExps {
  using FloatExps::FloatExps;
};
#else
template <>
struct RowExps<float> : FloatDifferences {
  using Row = float;
  explicit RowExps(float max) : FloatDifferences{max} {}
};
#endif

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
