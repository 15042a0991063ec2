// Rows of a product rounded to 8 bits in the groups of its matrix of packed codes.
#pragma once
#include <algorithm>

#include "cpu/kernels/quantized/shared/unpack.h"
#include "cpu/stream.h"
#include "math/rounded_input.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Codes of a lane of a block as the bytes of words, which instructions multiply four at a time. A
// word has code `code(word, byte)` in each byte, −1: none; plus 2^(bits − 1), so none is negative.
template <int bits>
struct CodeBytes {
  static constexpr int kWords = bits == 2 ? 4 : 2;
  static constexpr int code(int word, int byte) {
    if (bits == 4) return 2 * byte + word;
    if (bits == 2) return byte < 2 ? 4 * byte + word : -1;
    return 4 * word + byte;
  }

  static inline __attribute__((always_inline)) void split(
      const LaneWords (&lanes)[kLaneWords<bits>], LaneWords (&words)[kWords]) {
    if constexpr (bits == 8) {
      for (int i = 0; i < kWords; ++i) words[i] = lanes[i] ^ 0x80808080u;
    } else if constexpr (bits == 4) {
      const LaneWords codes = lanes[0] ^ 0x88888888u;
      words[0] = codes & 0x0f0f0f0fu, words[1] = codes >> 4 & 0x0f0f0f0fu;
    } else if constexpr (bits == 3) {
      const LaneWords codes = lanes[0] ^ 0x924924u;
      words[0] = spread(codes), words[1] = spread(codes >> 12);
    } else {
      const LaneWords codes = lanes[0] ^ 0xaaaau;
      for (int i = 0; i < kWords; ++i) words[i] = codes >> (2 * i) & 0x0303u;
    }
  }

 private:
  // Four codes of 3 bits side by side, each in a byte.
  static inline LaneWords spread(const LaneWords& codes) {
    return (codes & 7u) | (codes << 5 & 0x700u) | (codes << 10 & 0x70000u) |
           (codes << 15 & 0x7000000u);
  }
};

// Which words have codes of a group, where a group has `codes` codes of a lane in a block: so many
// vectors of bytes of the input go with a block, each with zeros where the word has other codes.
template <int bits, int codes>
struct InputBytes {
  static constexpr int kGroups = math::kLaneCodes / codes, kWords = CodeBytes<bits>::kWords;
  static constexpr bool meets(int group, int word) {
    for (int byte = 0; byte < 4; ++byte) {
      const int code = CodeBytes<bits>::code(word, byte);
      if (code >= 0 && code / codes == group) return true;
    }
    return false;
  }
  // The place of the vector for a group and a word; that behind the last one: how many there are.
  static constexpr int place(int group, int word) {
    int count = 0;
    for (int i = 0; i < group * kWords + word; ++i) count += meets(i / kWords, i % kWords);
    return count;
  }
  static constexpr int kVectors = place(kGroups, 0);
};

// out = the levels of n numbers of one group.
inline void round_group(const float* x, int64_t n, float scale, int8_t* levels, float* numbers) {
  for (int64_t k = 0; k < n; ++k) {
    const float level = math::input_level(x[k], scale);
    levels[k] = int8_t(level);
    numbers[k] = level * scale;
  }
}

// Rows of a, rounded. Of whole blocks, for each group in a block: what the 2^(bits − 1) of its
// codes add to the sum of a lane, negated, and the vectors of bytes.
struct RoundedInputs {
  const float* numbers = nullptr;  // level · scale, as a
  const float* scales = nullptr;   // [rows, groups]
  const int8_t* levels = nullptr;  // as a
  int32_t* shifts = nullptr;       // [rows, blocks, groups of a block, lanes]
  uint32_t* bytes = nullptr;       // [rows, blocks, vectors, lanes]

  RoundedInputs() = default;
  RoundedInputs(const Grouped& w, int64_t rows, const float* a, Stream& stream) {
    const int64_t columns = w.row.columns;
    auto* all = stream.scratch<float>(rows * columns);
    auto* of_groups = stream.scratch<float>(rows * w.groups);
    auto* whole = stream.scratch<int8_t>(rows * columns);
    stream.parallel(rows, [&](int64_t row) {
      for (int64_t g = 0; g < w.groups; ++g) {
        const int64_t at = row * columns + g * w.group;
        float most = 0;
        bool is_finite = true;
        for (int64_t k = at; k < at + w.group; ++k) {
          const float size = std::abs(a[k]);
          most = std::max(most, size);
          is_finite &= size <= std::numeric_limits<float>::max();
        }
        const float scale = of_groups[row * w.groups + g] = math::input_scale(most, is_finite);
        round_group(a + at, w.group, scale, whole + at, all + at);
      }
    });
    numbers = all, scales = of_groups, levels = whole;
  }

  template <int bits, int codes>
  void arrange(const Grouped& w, int64_t rows, Stream& stream) {
    using Bytes = InputBytes<bits, codes>;
    const int64_t blocks = w.row.whole_blocks();
    shifts = stream.scratch<int32_t>(rows * blocks * Bytes::kGroups * math::kCodeLanes);
    bytes = stream.scratch<uint32_t>(rows * blocks * Bytes::kVectors * math::kCodeLanes);
    stream.parallel(rows, [&](int64_t row) {
      for (int64_t b = 0, at = row * blocks; b < blocks; ++b, ++at)
        arrange_block<bits, codes>(levels + row * w.row.columns + b * math::kBlockCodes,
                                   shifts + at * Bytes::kGroups * math::kCodeLanes,
                                   bytes + at * Bytes::kVectors * math::kCodeLanes);
    });
  }

 private:
  template <int bits, int codes>
  static void arrange_block(const int8_t* level, int32_t* shift, uint32_t* vector) {
    using Bytes = InputBytes<bits, codes>;
    for (int group = 0; group < Bytes::kGroups; ++group, shift += math::kCodeLanes)
      for (int lane = 0; lane < math::kCodeLanes; ++lane) {
        int32_t sum = 0;
        for (int h = group * codes; h < (group + 1) * codes; ++h)
          sum += level[h * math::kCodeLanes + lane];
        shift[lane] = -sum * (1 << (bits - 1));
      }
    for (int group = 0; group < Bytes::kGroups; ++group)
      for (int word = 0; word < Bytes::kWords; ++word) {
        if (!Bytes::meets(group, word)) continue;
        for (int lane = 0; lane < math::kCodeLanes; ++lane) {
          uint32_t four = 0;
          for (int byte = 0; byte < 4; ++byte) {
            const int h = CodeBytes<bits>::code(word, byte);
            if (h < 0 || h / codes != group) continue;
            four |= uint32_t(uint8_t(level[h * math::kCodeLanes + lane])) << (8 * byte);
          }
          vector[lane] = four;
        }
        vector += math::kCodeLanes;
      }
  }
};

// If sums of bytes take less time than those of numbers, for groups that have `codes` codes of a
// lane in a block.
template <int codes>
inline constexpr bool kBytesPay =
#if defined(__AVX512F__)
    codes >= 4;
#elif defined(__AVX2__)
    codes == 8;
#else
    false;
#endif
// If this processor has them: with AVX-512, one instruction multiplies bytes and sums them.
inline bool multiplies_bytes() {
#ifdef __AVX512F__
  static const bool has = __builtin_cpu_supports("avx512vnni");
  return has;
#else
  return true;
#endif
}

// sums += products of four bytes of each lane, those of `codes` without sign: at most 255 and 127,
// so that no sum of two in 16 bits overflows where codes have 4 bits or fewer.
template <int bits>
inline __attribute__((always_inline)) void add_bytes(const LaneWords& codes, const LaneWords& input,
                                                     Vector<int32_t>& sums) {
#if defined(__AVX512F__)
  asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(codes), "v"(input));
#elif defined(__AVX2__)
  const __m256i ones = _mm256_set1_epi16(1);
  const auto add = [&](const LaneWords& some) {
    const __m256i pairs = _mm256_maddubs_epi16(__m256i(some), __m256i(input));
    sums += Vector<int32_t>(_mm256_madd_epi16(pairs, ones));
  };
  if constexpr (bits == 8)
    add(codes & 0x00ff00ffu), add(codes & 0xff00ff00u);
  else
    add(codes);
#endif
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
