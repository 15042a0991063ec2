// The large entries of a panel of rows.
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>

#include "cpu/exp_eight.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

inline constexpr int kExponents = 2048;  // of doubles
inline int exponent_of(double x) { return int(std::bit_cast<uint64_t>(x) >> 52 & 2047); }
inline double power_of(int exponent) { return std::ldexp(1.0, exponent - 1023); }

// True if one of eight is at least `least`.
__attribute__((always_inline)) inline bool any_at_least(const Doubles& x, double least) {
#if defined(__AVX512F__)
  return _mm512_cmp_pd_mask(__m512d(x), _mm512_set1_pd(least), _CMP_GE_OQ) != 0;
#elif defined(__AVX2__)
  return _mm256_movemask_pd(_mm256_cmp_pd(__m256d(x), _mm256_set1_pd(least), _CMP_GE_OQ)) != 0;
#else
  return x[0] >= least || x[1] >= least;
#endif
}
template <class Half>
__attribute__((always_inline)) inline bool any_at_least(const Pair<Half>& x, double least) {
  return any_at_least(x.low, least) || any_at_least(x.high, least);
}

// Writes places, from j on, and values of those of eight that are at least `least`; how many. Of
// what lies behind them, up to eight elements are overwritten.
__attribute__((always_inline)) inline int64_t append_at_least(const Eight& x, double least,
                                                              int64_t j, int32_t* places,
                                                              double* values) {
#ifdef __AVX512VL__
  const __mmask8 kept = _mm512_cmp_pd_mask(__m512d(x), _mm512_set1_pd(least), _CMP_GE_OQ);
  const __m256i at =
      _mm256_add_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(int32_t(j)));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(places), _mm256_maskz_compress_epi32(kept, at));
  _mm512_storeu_pd(values, _mm512_maskz_compress_pd(kept, __m512d(x)));
  return std::popcount(unsigned(kept));
#else
  if (!any_at_least(x, least)) return 0;
  double lanes[8];
  store_eight(x, lanes);
  int64_t count = 0;
  for (int k = 0; k < 8; ++k)
    places[count] = int32_t(j + k), values[count] = lanes[k], count += lanes[k] >= least;
  return count;
#endif
}

// The entries of a panel from a bound on, which is raised when there are more than `room`: the
// exponent of a power of two. Eight more elements may be overwritten.
struct LargeEntries {
  int32_t* columns;
  double* values;
  int32_t* of_row;  // how many there are of each row
  int64_t room;
  int exponent;
  double bound = power_of(exponent);
  int64_t count = 0, rows = 0, row_begin = 0;

  // Eight entries of a row, from column j on.
  __attribute__((always_inline)) void add(const Eight& x, int64_t j) {
    count += append_at_least(x, bound, j, columns + count, values + count);
    while (count > room && exponent < kExponents) raise();
  }
  void end_row() {
    of_row[rows++] = int32_t(count - row_begin);
    row_begin = count;
  }

 private:
  void raise() {
    exponent += 2, bound = power_of(exponent);
    of_row[rows] = int32_t(count - row_begin);  // so far
    int64_t from = 0, to = 0;
    for (int64_t i = 0; i <= rows; ++i) {
      row_begin = to;
      for (const int64_t last = from + of_row[i]; from < last; ++from)
        columns[to] = columns[from], values[to] = values[from], to += values[to] >= bound;
      of_row[i] = int32_t(to - row_begin);
    }
    count = to;
  }
};

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
