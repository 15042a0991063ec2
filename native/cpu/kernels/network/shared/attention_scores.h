// The scores of a tile, a key a row and a query a lane: their maximum, their exponentials and the
// sum of these need no step across lanes.
#pragma once
#include <limits>

#include "cpu/exp_eight.h"
#include "cpu/kernels/network/shared/attention_tile.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T>
struct IntegerOf {
  using type = int32_t;
};
template <>
struct IntegerOf<double> {
  using type = int64_t;
};
template <class T>
using Integers = Vector<typename IntegerOf<T>::type>;

// 2ˣ within 1.1 ulp; 0 where it would be subnormal, or near that, NaN for NaN. out may be x.
__attribute__((always_inline)) inline void exp2_of(const Vector<double>& x, Vector<double>& out) {
  power_of_eight(x, out);
}
__attribute__((always_inline)) inline void exp2_of(const Vector<float>& x, Vector<float>& out) {
  // Of 2ʳ for |r| ≤ 1/2, fitted to the smallest relative error.
  constexpr float kPower[] = {0x1.41fbb6p-13f,
                              0x1.5f3e54p-10f,
                              0x1.3b2d4ep-7f,
                              0x1.c6aee8p-5f,
                              0x1.ebfbdcp-3f,
                              0x1.62e430p-1f,
                              1.0f};
  Vector<float> p, coefficient;
  spread<float>(kPower[0], p);
  const auto sum_powers = [&](const Vector<float>& r) {
#pragma GCC unroll 6
    for (int i = 1; i < 7; ++i) {
      spread<float>(kPower[i], coefficient);
      add_product<float>(p, r, coefficient);
      p = coefficient;
    }
  };
#ifdef __AVX512F__
  const __m512 k = _mm512_roundscale_ps(__m512(x), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  sum_powers(Vector<float>(_mm512_sub_ps(__m512(x), k)));
  const __mmask16 high = _mm512_cmp_ps_mask(__m512(x), _mm512_set1_ps(-125), _CMP_NLT_UQ);
  out = Vector<float>(_mm512_maskz_scalef_ps(high, __m512(p), k));
#else
  Vector<float> shift, top, low;
  spread<float>(0x1.8p23f, shift), spread<float>(128, top), spread<float>(-125, low);
  const Vector<float> held = x > top ? top : x, shifted = held + shift;
  sum_powers(held - (shifted - shift));
  const Vector<float> power = Vector<float>((Vector<uint32_t>(shifted) << 23) + (127u << 23));
  out = x < low ? Vector<float>{} : p * power;
#endif
}

// The greater of both; b where one of them is NaN.
template <class T>
__attribute__((always_inline)) inline void raise(const Vector<T>& a, Vector<T>& b) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    b = Vector<T>(_mm512_max_ps(__m512(a), __m512(b)));
  else
    b = Vector<T>(_mm512_max_pd(__m512d(a), __m512d(b)));
#elif defined(__AVX2__)
  if constexpr (sizeof(T) == 4)
    b = Vector<T>(_mm256_max_ps(__m256(a), __m256(b)));
  else
    b = Vector<T>(_mm256_max_pd(__m256d(a), __m256d(b)));
#else
  b = a > b ? a : b;
#endif
}

// A tile of scores, and which of them count: keys from `first` to `last`; on the diagonal a query
// sees the keys up to its own.
struct TileKeys {
  int64_t first, last, width;  // width: queries, a multiple of kStep
  bool diagonal;
  int64_t rows() const { return rounded_up(last, kStep); }
};

// body(key, mask of the lanes that see it) for the keys of a vector of queries; none sees those
// that are left out, which are written as zeros where products read them.
template <class T, class All, class Some>
__attribute__((always_inline)) inline void for_keys(const TileKeys& t, int64_t query, All&& all,
                                                    Some&& some) {
  constexpr int64_t kLanes = kVectorSize<T>;
  const int64_t whole = t.diagonal ? std::min(t.last, query) : t.last;
  int64_t key = t.first;
  for (; key < whole; ++key) all(key);
  if (!t.diagonal) return;
  Integers<T> own;
  for (int64_t l = 0; l < kLanes; ++l) own[l] = typename IntegerOf<T>::type(query + l);
  const int64_t end = std::min(t.last, rounded_up(query + 1, kStep));
  for (; key < end; ++key) some(key, own >= typename IntegerOf<T>::type(key));
}

// The running maximum per query, and the factor that what was summed under the old one takes.
template <class T>
void raise_maximum(const TileKeys& t, bool begins, const T* scores, T* max, T* factors) {
  constexpr int64_t kLanes = kVectorSize<T>;
  for (int64_t q = 0; q < t.width; q += kLanes) {
    Vector<T> before, most, score;
    if (begins)
      spread<T>(std::numeric_limits<T>::lowest(), before);
    else
      load<T>(max + q, before);
    most = before;
    for_keys<T>(
        t, q,
        [&](int64_t key) {
          load<T>(scores + key * kTilePlaces + q, score);
          raise<T>(score, most);
        },
        [&](int64_t key, const auto& seen) {
          load<T>(scores + key * kTilePlaces + q, score);
          score = seen ? score : most;
          raise<T>(score, most);
        });
    store<T>(most, max + q);
    exp2_of(before - most, score);
    store<T>(score, factors + q);
  }
}

// p = 2^(s − max) in place, 0 where a key is not seen, and the sum of these per query.
template <class T>
void exponentials(const TileKeys& t, const T* max, T* scores, T* sums) {
  constexpr int64_t kLanes = kVectorSize<T>;
  for (int64_t q = 0; q < t.width; q += kLanes) {
    Vector<T> most, p, sum = {};
    load<T>(max + q, most);
    for_keys<T>(
        t, q,
        [&](int64_t key) {
          load<T>(scores + key * kTilePlaces + q, p);
          exp2_of(p - most, p);
          store<T>(p, scores + key * kTilePlaces + q);
          sum += p;
        },
        [&](int64_t key, const auto& seen) {
          load<T>(scores + key * kTilePlaces + q, p);
          exp2_of(p - most, p);
          p = seen ? p : Vector<T>{};
          store<T>(p, scores + key * kTilePlaces + q);
          sum += p;
        });
    store<T>(sum, sums + q);
  }
  for (int64_t key = 0; key < t.first; ++key)
    std::fill_n(scores + key * kTilePlaces, t.width, T(0));
  for (int64_t key = t.last; key < t.rows(); ++key)
    std::fill_n(scores + key * kTilePlaces, t.width, T(0));
}

// scores[key, query] of rows of keys and columns of queries, or added to them; on the diagonal
// those alone that some step of queries sees.
template <Start start = Start::kZero, class T>
void score_tile(const TileKeys& t, int64_t size, const T* rows, int64_t stride, const T* columns,
                T* scores) {
  if (!t.diagonal)
    return multiply_tile<true, start>(t.rows(), t.width, size, rows, stride, columns, kTilePlaces,
                                      scores, kTilePlaces);
  for (int64_t at = 0; at < std::min(t.rows(), t.width); at += kStep)
    multiply_tile<true, start>(kStep, t.width - at, size, rows + at * stride, stride, columns + at,
                               kTilePlaces, scores + at * (kTilePlaces + 1), kTilePlaces);
}

// sums[padded, query] = valuesᵀ p, or more of it, on from sums times a factor per query; on the
// diagonal each step of queries ends at its own key.
template <Start start, class T>
void value_tile(const TileKeys& t, int64_t padded, const T* values, int64_t stride, const T* p,
                T* sums, const T* factors = nullptr) {
  const int64_t step = t.diagonal ? kStep : t.width;
  for (int64_t q = 0; q < t.width; q += step)
    multiply_tile<false, start>(padded, step, t.diagonal ? std::min(q + kStep, t.rows()) : t.rows(),
                                values, stride, p + q, kTilePlaces, sums + q, kTilePlaces,
                                factors ? factors + q : nullptr);
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
