// Products of bf16 by the matrix tiles of AMX: 16 × 16 sums in f32 of 32 products each, one
// instruction. It takes numbers below the smallest normal one as 0, as VDPBF16PS does.
#pragma once
#ifdef __AVX512F__
#include <sys/syscall.h>
#include <unistd.h>

#include "cpu/choice.h"
#include "cpu/kernels/products/shared/half_words.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// True where the processor has them and Linux lends them to this process. ORTHOKIT_CPU=avx512 goes
// without, so that the other kernels are tested on every machine.
inline bool has_matrix_tiles() {
  static const bool has = [] {
    constexpr long kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    return !names_avx512() && has_pairs() && __builtin_cpu_supports("amx-bf16") &&
           syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
  }();
  return has;
}

#define ORTHOKIT_PAIRS __attribute__((target("avx512bf16")))
#define ORTHOKIT_TILES __attribute__((target("amx-tile,amx-bf16")))

// A panel is a sequence of tiles of 16 rows and 16 words of two bf16 each. Of a left factor a tile
// lies row by row; of a right one word by word, the words of all rows of the panel side by side.
struct MatrixTiles {
  static constexpr int64_t kElements = 2, kStep = 16;
  static constexpr bool kSidesAlike = false;

  template <class T>
  static ORTHOKIT_PAIRS void pack(bool is_left, bool down, const T* x, int64_t stride, int64_t rows,
                                  int64_t words, int64_t left, float* panel) {
    alignas(64) float square[kStep * kStep];
    for (int64_t w = 0; w < words; w += kStep, panel += kStep * kPanel, left -= kElements * kStep) {
      const T* from = x + kElements * w * (down ? stride : 1);
      for (int64_t row = 0; row < rows; row += kStep) {
        const int64_t some = std::min(kStep, rows - row);
        float* to = is_left ? panel + row * kStep : panel + row;
        const int64_t apart = is_left ? kStep : kPanel;
        const bool is_turned = is_left == down;
        float* lines = is_turned ? square : to;
        const int64_t step = is_turned ? kStep : apart;
        for (int64_t i = 0; i < kStep; ++i)
          _mm512_store_si512(lines + i * step, down ? across(from + row + kElements * i * stride,
                                                             stride, left - kElements * i, some)
                                               : i < some ? along(from + (row + i) * stride, left)
                                                          : _mm512_setzero_si512());
        if (is_turned) transpose(square, kStep, kStep, kStep, to, apart);
      }
    }
  }

  static ORTHOKIT_TILES void multiply(int64_t words, const float* left, const float* right,
                                      int64_t rows, int64_t columns, bool is_first, float* sums) {
    struct alignas(64) {
      uint8_t palette = 1, start = 0, reserved[14] = {};
      uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64};
      uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16};
    } static constexpr kShape;
    _tile_loadconfig(&kShape);
    for (int64_t row = 0; row < rows; row += kStep, left += kStep * kStep, sums += kStep * kPanel) {
      if (columns <= kStep)
        multiply_row<1>(words, left, right, is_first, sums);
      else if (columns <= 2 * kStep)
        multiply_row<2>(words, left, right, is_first, sums);
      else
        multiply_row<3>(words, left, right, is_first, sums);
    }
    _tile_release();
  }

 private:
  // The words of 32 neighbours, of which `left` exist.
  static ORTHOKIT_PAIRS __m512i along(const float* x, int64_t left) {
    return (__m512i)_mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(first(left - 16), x + 16),
                                        _mm512_maskz_loadu_ps(first(left), x));
  }
  static ORTHOKIT_PAIRS __m512i along(const Bfloat16* x, int64_t left) {
    return _mm512_maskz_loadu_epi16(left >= 32 ? ~0u : left <= 0 ? 0 : (1u << left) - 1, x);
  }
  // One word of each of `rows` rows.
  static ORTHOKIT_PAIRS __m512i across(const float* x, int64_t stride, int64_t left, int64_t rows) {
    const __mmask16 low = left > 0 ? first(rows) : 0, high = left > 1 ? first(rows) : 0;
    return mixed((__m512i)_mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(high, x + stride),
                                              _mm512_maskz_loadu_ps(low, x)));
  }
  static ORTHOKIT_PAIRS __m512i across(const Bfloat16* x, int64_t stride, int64_t left,
                                       int64_t rows) {
    const __mmask16 low = left > 0 ? first(rows) : 0, high = left > 1 ? first(rows) : 0;
    return mixed(_mm512_inserti64x4(_mm512_castsi256_si512(_mm256_maskz_loadu_epi16(low, x)),
                                    _mm256_maskz_loadu_epi16(high, x + stride), 1));
  }
  static __mmask16 first(int64_t count) {
    return __mmask16(count >= 16 ? 0xffff : count <= 0 ? 0 : (1 << count) - 1);
  }
  // Two lines of 16 numbers as 16 pairs.
  static __m512i mixed(__m512i lines) {
    alignas(64) static constexpr uint16_t kOrder[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                        21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                        11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    return _mm512_permutexvar_epi16(_mm512_load_si512(kOrder), lines);
  }

  template <int tiles>
  static ORTHOKIT_TILES void multiply_row(int64_t words, const float* left, const float* right,
                                          bool is_first, float* sums) {
    constexpr int64_t kAcross = kPanel * sizeof(float), kDown = kStep * sizeof(float);
    if (is_first) {
      _tile_zero(0);
      if constexpr (tiles > 1) _tile_zero(1);
      if constexpr (tiles > 2) _tile_zero(2);
    } else {
      _tile_loadd(0, sums, kAcross);
      if constexpr (tiles > 1) _tile_loadd(1, sums + kStep, kAcross);
      if constexpr (tiles > 2) _tile_loadd(2, sums + 2 * kStep, kAcross);
    }
    for (int64_t w = 0; w < words; w += kStep, left += kStep * kPanel, right += kStep * kPanel) {
      _tile_loadd(3, left, kDown);
      _tile_loadd(4, right, kAcross);
      _tile_dpbf16ps(0, 3, 4);
      if constexpr (tiles > 1) {
        _tile_loadd(5, right + kStep, kAcross);
        _tile_dpbf16ps(1, 3, 5);
      }
      if constexpr (tiles > 2) {
        _tile_loadd(6, right + 2 * kStep, kAcross);
        _tile_dpbf16ps(2, 3, 6);
      }
    }
    _tile_stored(0, sums, kAcross);
    if constexpr (tiles > 1) _tile_stored(1, sums + kStep, kAcross);
    if constexpr (tiles > 2) _tile_stored(2, sums + 2 * kStep, kAcross);
  }
};

#undef ORTHOKIT_PAIRS
#undef ORTHOKIT_TILES

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
#endif
