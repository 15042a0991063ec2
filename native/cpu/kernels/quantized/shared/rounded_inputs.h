// Rows of a product rounded to 8 bits in the groups of its matrix of packed codes.
#pragma once
#include <algorithm>
#include <bit>
#include <limits>

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

// The scale of a group. Sizes are compared by their bits, whose order is theirs, with infinity and
// NaN above all others: no order of comparing changes the result, so that lanes can share the work.
inline float scale_of_group(const float* x, int64_t n) {
  uint32_t most = 0;
  for (int64_t k = 0; k < n; ++k)
    most = std::max(most, std::bit_cast<uint32_t>(x[k]) & 0x7fffffffu);
  const float size = std::bit_cast<float>(most);
  return math::input_scale(size, size <= std::numeric_limits<float>::max());
}

inline void levels_of(const float* x, int64_t n, float scale, int8_t* out) {
  for (int64_t k = 0; k < n; ++k) out[k] = int8_t(math::input_level(x[k], scale));
}
inline void round_group(const float* x, int64_t n, float scale, float* out) {
  for (int64_t k = 0; k < n; ++k) out[k] = math::input_level(x[k], scale) * scale;
}

// Rows of a, rounded: as numbers, or as bytes. Of whole blocks, for each group in a block: what the
// 2^(bits − 1) of its codes add to the sum of a lane, negated, and the vectors of bytes.
struct RoundedInputs {
  const float* numbers = nullptr;  // level · scale, as a; with levels, behind the last whole block
  const float* scales = nullptr;   // [rows, groups]
  const int8_t* levels = nullptr;  // as a
  int32_t* shifts = nullptr;       // [rows, blocks, groups of a block, lanes]
  uint32_t* bytes = nullptr;       // [rows, blocks, vectors, lanes]

  RoundedInputs() = default;
  RoundedInputs(const Grouped& w, int64_t rows, const float* a, bool with_levels, Stream& stream) {
    const int64_t columns = w.row.columns;
    const int64_t whole = with_levels ? w.row.whole_blocks() * math::kBlockCodes : 0;
    auto* all = stream.scratch<float>(rows * columns);
    auto* of_groups = stream.scratch<float>(rows * w.groups);
    int8_t* bytes_of = with_levels ? stream.scratch<int8_t>(rows * columns) : nullptr;
    parts_of_rows(stream, rows, w.groups, w.group, [&](int64_t row, int64_t begin, int64_t end) {
      for (int64_t g = begin; g < end; ++g) {
        const int64_t column = g * w.group, at = row * columns + column;
        const float scale = of_groups[row * w.groups + g] = scale_of_group(a + at, w.group);
        if (with_levels) levels_of(a + at, w.group, scale, bytes_of + at);
        if (column + w.group > whole) round_group(a + at, w.group, scale, all + at);
      }
    });
    numbers = all, scales = of_groups, levels = bytes_of;
  }

  template <int bits, int codes>
  void arrange(const Grouped& w, int64_t rows, Stream& stream) {
    using Bytes = InputBytes<bits, codes>;
    const int64_t blocks = w.row.whole_blocks();
    shifts = stream.scratch<int32_t>(rows * blocks * Bytes::kGroups * math::kCodeLanes);
    bytes = stream.scratch<uint32_t>(rows * blocks * Bytes::kVectors * math::kCodeLanes);
    const auto arranged = [&](int64_t row, int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        const int64_t at = row * blocks + b;
        arrange_block<bits, codes>(levels + row * w.row.columns + b * math::kBlockCodes,
                                   shifts + at * Bytes::kGroups * math::kCodeLanes,
                                   bytes + at * Bytes::kVectors * math::kCodeLanes);
      }
    };
    parts_of_rows(stream, rows, blocks, math::kBlockCodes, arranged);
  }

 private:
  // f(row, begin, end) for parts of the `count` pieces of `size` numbers that a row has, on all
  // threads.
  template <class F>
  static void parts_of_rows(Stream& stream, int64_t rows, int64_t count, int64_t size, F&& f) {
    constexpr int64_t kPart = 4096;  // numbers: about two microseconds
    const int64_t pieces = std::max<int64_t>(1, kPart / size),
                  parts = (count + pieces - 1) / pieces;
    stream.parallel(rows * parts, [&](int64_t p) {
      const int64_t begin = p % parts * pieces;
      f(p / parts, begin, std::min(count, begin + pieces));
    });
  }

  template <int bits, int codes>
  static void arrange_block(const int8_t* levels, int32_t* shifts, uint32_t* vectors) {
    using Bytes = InputBytes<bits, codes>;
    for (int part = 0; part < kLaneParts; ++part) {
      const int lane = part * kVectorSize<float>;
      LaneWords of_code[math::kLaneCodes];
#pragma GCC unroll 8
      for (int h = 0; h < math::kLaneCodes; ++h)
        load_words<uint8_t>(reinterpret_cast<const uint8_t*>(levels) + h * math::kCodeLanes + lane,
                            of_code[h]);
      int vector = 0;
#pragma GCC unroll 8
      for (int group = 0; group < Bytes::kGroups; ++group) {
        Vector<int32_t> sum{};
#pragma GCC unroll 8
        for (int h = group * codes; h < (group + 1) * codes; ++h)
          sum += Vector<int32_t>(of_code[h] << 24) >> 24;
        store<int32_t>(sum * -(1 << (bits - 1)), shifts + group * math::kCodeLanes + lane);
#pragma GCC unroll 4
        for (int word = 0; word < Bytes::kWords; ++word) {
          if (!Bytes::meets(group, word)) continue;
          LaneWords four{};
#pragma GCC unroll 4
          for (int byte = 0; byte < 4; ++byte) {
            const int h = CodeBytes<bits>::code(word, byte);
            if (h >= 0 && h / codes == group) four |= of_code[h] << (8 * byte);
          }
          store<uint32_t>(four, vectors + vector++ * math::kCodeLanes + lane);
        }
      }
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
