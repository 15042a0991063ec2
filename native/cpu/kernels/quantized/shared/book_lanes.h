// Codes of a block of 128 elements as numbers of a codebook, 16 neighbours at a time.
#pragma once
#include <algorithm>
#include <cstring>
#include <limits>

#include "cpu/vectors.h"
#include "ops/quantized/shared/codebooks.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

using BookWords __attribute__((vector_size(64))) = uint32_t;
using BookHalves __attribute__((vector_size(32))) = uint16_t;
using BookBytes __attribute__((vector_size(16))) = uint8_t;
using BookFloats __attribute__((vector_size(64))) = float;

// A codebook for lookups by bits that may have those of other codes above them: its numbers again
// and again up to 16 places, or to all that codes of more than 4 bits have; NaN where it has none.
struct Book {
  alignas(64) float numbers[kMostCodes];
};

inline void set_book(const float* numbers, int64_t entries, int bits, Book& book) {
  const int64_t codes = int64_t(1) << bits, places = std::max<int64_t>(16, codes);
  for (int64_t k = 0; k < places; ++k)
    book.numbers[k] =
        k % codes < entries ? numbers[k % codes] : std::numeric_limits<float>::quiet_NaN();
}

// The lanes of a whole block: their lower 32 bits, and what is above those.
struct BlockLanes {
  BookWords low, high;
};

template <class T>
__attribute__((always_inline)) inline void load_block_parts(const uint8_t* from, BookWords& out) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    out = BookWords(_mm512_loadu_si512(from));
  else if constexpr (sizeof(T) == 2)
    out = BookWords(
        _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i_u*>(from))));
  else
    out =
        BookWords(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i_u*>(from))));
#else
  T parts[math::kCodeLanes];
  std::memcpy(parts, from, sizeof parts);
  for (int lane = 0; lane < math::kCodeLanes; ++lane) out[lane] = parts[lane];
#endif
}

template <int bits>
__attribute__((always_inline)) inline void load_block(const uint8_t* block, BlockLanes& out) {
  constexpr int kLanes = math::kCodeLanes;
  // Parts of 4, of 2 and of 1 byte, as many as `bits` has.
  constexpr int low = bits < 4 ? bits : 4, high = bits - low;
  BookWords more;
  if constexpr (low == 4) load_block_parts<uint32_t>(block, out.low);
  if constexpr (low == 2 || low == 3) load_block_parts<uint16_t>(block, out.low);
  if constexpr (low == 3)
    load_block_parts<uint8_t>(block + 2 * kLanes, more), out.low |= more << 16;
  if constexpr (low == 1) load_block_parts<uint8_t>(block, out.low);
  const uint8_t* rest = block + low * kLanes;
  if constexpr (high == 4) load_block_parts<uint32_t>(rest, out.high);
  if constexpr (high == 2 || high == 3) load_block_parts<uint16_t>(rest, out.high);
  if constexpr (high == 3)
    load_block_parts<uint8_t>(rest + 2 * kLanes, more), out.high |= more << 16;
  if constexpr (high == 1) load_block_parts<uint8_t>(rest, out.high);
}

// The first `bytes` bytes of each lane, as a block has them.
inline void store_block(const BlockLanes& lanes, int bytes, uint8_t* block) {
  for (int done = 0; done < bytes;) {
    const int size = math::part_bytes(bytes - done);
    const BookWords part = done < 4 ? lanes.low >> (8 * done) : lanes.high >> (8 * (done - 4));
    uint8_t* to = block + done * math::kCodeLanes;
    const auto write = [&](const auto& numbers) { std::memcpy(to, &numbers, sizeof numbers); };
    if (size == 4)
      write(part);
    else if (size == 2)
      write(__builtin_convertvector(part, BookHalves));
    else
      write(__builtin_convertvector(part, BookBytes));
    done += size;
  }
}

// Code h of each lane, with other codes' bits above it.
template <int bits, int h>
__attribute__((always_inline)) inline void code_of_lanes(const BlockLanes& lanes, BookWords& out) {
  constexpr int from = h * bits;
  if constexpr (from >= 32)
    out = lanes.high >> (from - 32);
  else if constexpr (from + bits <= 32)
    out = lanes.low >> from;
  else
    out = lanes.low >> from | lanes.high << (32 - from);
}

// Of a table whose size is that of a Book's numbers for such bits, 16 or more.
template <int bits>
__attribute__((always_inline)) inline void look_up(const float* table, const BookWords& codes,
                                                   BookFloats& out) {
#if defined(__AVX512F__)
  const __m512i places = __m512i(codes);
  const auto numbers = [&](int k) { return _mm512_load_ps(table + 16 * k); };
  if constexpr (bits <= 4) {
    out = BookFloats(_mm512_permutexvar_ps(places, numbers(0)));
  } else if constexpr (bits == 5) {
    out = BookFloats(_mm512_permutex2var_ps(numbers(0), places, numbers(1)));
  } else {
    const __m512i kept = _mm512_and_si512(places, _mm512_set1_epi32((1 << bits) - 1));
    out = BookFloats(_mm512_i32gather_ps(kept, table, 4));
  }
#elif defined(__AVX2__)
  __m256i halves[2];
  std::memcpy(halves, &codes, sizeof halves);
  __m256 found[2];
  for (int k = 0; k < 2; ++k) {
    if constexpr (bits <= 3) {
      found[k] = _mm256_permutevar8x32_ps(_mm256_load_ps(table), halves[k]);
    } else if constexpr (bits == 4) {
      const __m256 low = _mm256_permutevar8x32_ps(_mm256_load_ps(table), halves[k]),
                   high = _mm256_permutevar8x32_ps(_mm256_load_ps(table + 8), halves[k]);
      // By the fourth bit, which becomes the sign.
      found[k] = _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(halves[k], 28)));
    } else {
      const __m256i kept = _mm256_and_si256(halves[k], _mm256_set1_epi32((1 << bits) - 1));
      found[k] = _mm256_i32gather_ps(table, kept, 4);
    }
  }
  std::memcpy(&out, found, sizeof found);
#else
  for (int lane = 0; lane < math::kCodeLanes; ++lane)
    out[lane] = table[codes[lane] & ((1u << bits) - 1)];
#endif
}

// body(h, the numbers of elements 16h … 16h + 15) for h = 0 … 7.
template <int bits, int h = 0, class Body>
__attribute__((always_inline)) inline void for_numbers(const BlockLanes& lanes, const Book& book,
                                                       Body&& body) {
  if constexpr (h < math::kLaneCodes) {
    BookWords codes;
    code_of_lanes<bits, h>(lanes, codes);
    BookFloats numbers;
    look_up<bits>(book.numbers, codes, numbers);
    body(h, numbers);
    for_numbers<bits, h + 1>(lanes, book, body);
  }
}

// Elements begin … end − 1 of a row, where begin is that of a block.
template <int bits>
void decode_part(const math::PackedRow& row, const uint8_t* codes, const Book& book, int64_t begin,
                 int64_t end, float* out) {
  constexpr int kBlock = math::kBlockCodes;
  int64_t k = begin;
  for (; k + kBlock <= end; k += kBlock, out += kBlock) {
    BlockLanes lanes;
    load_block<bits>(codes + k / kBlock * row.block_bytes(), lanes);
    for_numbers<bits>(lanes, book, [&](int h, const BookFloats& numbers) {
      std::memcpy(out + math::kCodeLanes * h, &numbers, sizeof numbers);
    });
  }
  for (; k < end; ++k) *out++ = book.numbers[math::read_code(row, codes, k)];
}

// f.operator()<bits>().
template <class F>
void visit_book_bits(int bits, F&& f) {
  switch (bits) {
    case 1:
      return f.template operator()<1>();
    case 2:
      return f.template operator()<2>();
    case 3:
      return f.template operator()<3>();
    case 4:
      return f.template operator()<4>();
    case 5:
      return f.template operator()<5>();
    case 6:
      return f.template operator()<6>();
    case 7:
      return f.template operator()<7>();
    default:
      return f.template operator()<8>();
  }
}

// All codebooks ready for lookups, and behind them one of NaN alone for rows that have none.
class Books {
 public:
  Books(const Coded& all, Stream& stream) : Books(all, all.row.bits, stream) {}
  // For lookups by so many bits.
  Books(const Coded& all, int bits, Stream& stream)
      : all_(all), books_(stream.scratch<Book>(all.books + 1)) {
    for (int64_t i = 0; i < all.books; ++i)
      set_book(all.codebooks + i * all.entries, all.entries, bits, books_[i]);
    set_book(nullptr, 0, bits, books_[all.books]);
  }
  const Book& of_row(int64_t i) const {
    const int64_t book = all_.book_of(i);
    return books_[book < 0 ? all_.books : book];
  }

 private:
  const Coded& all_;
  Book* books_;
};

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
