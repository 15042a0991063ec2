// Rows of 16-bit numbers, or of f32 that are rounded to them, as the 32-bit words of a panel: each
// number widened to f32, or, where the processor multiplies pairs of bf16, two neighbours of the
// inner side in one word.
#pragma once
#include <cstring>

#include "core/half.h"
#include "cpu/convert.h"
#include "cpu/panels.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Words of all rows that are in L1 at once.
inline constexpr int64_t kWordSpan = 64;

template <class Words, class T>
void pack_words(bool down, const T* x, int64_t stride, int64_t rows, int64_t words, int64_t left,
                float* panel);

// Panels whose rows lie side by side, word by word, as the tiles of f32 products read them.
template <class Words>
struct Columns {
  static constexpr int64_t kStep = 1;        // the words of a panel are a multiple of it
  static constexpr bool kSidesAlike = true;  // a panel serves as left factor and as right one
  template <class T>
  static void pack(bool /*is_left*/, bool down, const T* x, int64_t stride, int64_t rows,
                   int64_t words, int64_t left, float* panel) {
    pack_words<Words>(down, x, stride, rows, words, left, panel);
  }
  // sums = left · rightᵀ, or are added to; kPanel floats a row.
  static void multiply(int64_t words, const float* left, const float* right, int64_t rows,
                       int64_t columns, bool is_first, float* sums) {
    multiply_panels<typename Words::Tile>(words, left, right, rows, columns, false, 1,
                                          is_first ? 0 : 1, sums, sums, kPanel);
  }
};

template <class T>
struct Widened : Columns<Widened<T>> {
  static constexpr int64_t kElements = 1;  // of the inner side in a word
  // One row, along the inner side.
  template <class From>
  static void along(const From* x, int64_t count, float* words) {
    for (int64_t i = 0; i < count; ++i) words[i] = to_float(convert<T>(x[i]));
  }
  // The rows of one word; `left` elements of the inner side remain.
  template <class From>
  static void across(const From* x, int64_t /*stride*/, int64_t /*left*/, int64_t rows,
                     float* words) {
    along(x, rows, words);
  }
  using Tile = FloatTile;
};

#ifdef __AVX512F__

// Sums of products of pairs: VDPBF16PS, which takes subnormal numbers as 0.
template <int vectors>
__attribute__((target("avx512bf16"))) void pair_tile(int64_t depth, const float* left,
                                                     const float* right, float* sums) {
  __m512 sum[kTileRows][vectors] = {};
  for (int64_t k = 0; k < depth; ++k, left += kPanel, right += kPanel) {
    __m512bh row[vectors];
#pragma GCC unroll 3
    for (int v = 0; v < vectors; ++v)
      row[v] = reinterpret_cast<__m512bh>(_mm512_load_ps(right + v * kLanes));
#pragma GCC unroll 8
    for (int r = 0; r < kTileRows; ++r) {
      const __m512bh x = reinterpret_cast<__m512bh>(_mm512_set1_ps(left[r]));
#pragma GCC unroll 3
      for (int v = 0; v < vectors; ++v) sum[r][v] = _mm512_dpbf16_ps(sum[r][v], x, row[v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kTileRows; ++r)
#pragma GCC unroll 3
    for (int v = 0; v < vectors; ++v)
      _mm512_store_ps(sums + r * kTileColumns + v * kLanes, sum[r][v]);
}

struct PairTile {
  static void multiply(int64_t depth, int64_t columns, const float* left, const float* right,
                       float* sums) {
    if (columns <= kLanes) return pair_tile<1>(depth, left, right, sums);
    if (columns <= 2 * kLanes) return pair_tile<2>(depth, left, right, sums);
    pair_tile<3>(depth, left, right, sums);
  }
};

struct Pairs : Columns<Pairs> {
  static constexpr int64_t kElements = 2;
  static void along(const Bfloat16* x, int64_t count, float* words) {
    if (count % 2 != 0) words[count / 2] = 0;
    std::memcpy(words, x, size_t(count) * sizeof *x);
  }
  static void along(const float* x, int64_t count, float* words) {
    Bfloat16 rounded[kElements * kWordSpan];
    for (int64_t i = 0; i < count; ++i) rounded[i] = to_bfloat16(x[i]);
    along(rounded, count, words);
  }
  template <class From>
  static void across(const From* x, int64_t stride, int64_t left, int64_t rows, float* words) {
    const auto bits = [](From y) { return uint32_t(convert<Bfloat16>(y).bits); };
    for (int64_t i = 0; i < rows; ++i) {
      const uint32_t second = left > 1 ? bits(x[stride + i]) : 0;
      words[i] = std::bit_cast<float>(second << 16 | bits(x[i]));
    }
  }
  using Tile = PairTile;
};

inline bool has_pairs() {
  static const bool has = __builtin_cpu_supports("avx512bf16");
  return has;
}

#endif

// A panel of `rows` ≤ kPanel rows and `words` of each, of which `left` elements exist, or more;
// rows lie across (`down`: x[k, row]) or along x's own rows. What the panel has beyond them is 0.
template <class Words, class T>
void pack_words(bool down, const T* x, int64_t stride, int64_t rows, int64_t words, int64_t left,
                float* panel) {
  if (rows < kPanel) std::fill_n(panel, words * kPanel, 0.0f);
  if (down) {
    for (int64_t w = 0; w < words; ++w, left -= Words::kElements)
      Words::across(x + w * Words::kElements * stride, stride, left, rows, panel + w * kPanel);
    return;
  }
  float lines[kPanel * kWordSpan];
  for (int64_t w = 0; w < words; w += kWordSpan) {
    const int64_t some = std::min(kWordSpan, words - w), first = w * Words::kElements,
                  count = std::min(some * Words::kElements, left - first);
    for (int64_t i = 0; i < rows; ++i)
      Words::along(x + i * stride + first, count, lines + i * kWordSpan);
    transpose(lines, kWordSpan, rows, some, panel + w * kPanel, kPanel);
  }
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
