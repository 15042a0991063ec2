// A matrix of codes in plain words: element k of row i. Tensors are doubles here, one a byte.
#pragma once
#include <algorithm>
#include <utility>

#include "bench/reference/reference.h"
#include "ops/quantized/shared/codebooks.h"

namespace orthokit::bench {

// Codes by the words of docs/design/packed-codes.md: bit t of code h of a lane is its bit 8p + q,
// and byte p of a lane stands in the part that holds it.
struct PlainCodes {
  double* bytes;
  int64_t columns, bits, width;
  PlainCodes(const View& codes, int64_t columns_of, int64_t bits_of)
      : bytes(values(codes)), columns(columns_of), bits(bits_of), width(codes.shape[1]) {}
  // The place of a bit: which byte of the row, and which bit of the byte.
  std::pair<int64_t, int64_t> place(int64_t k, int64_t bit) const {
    const int64_t block = k / 128, lane = k % 16, code = k % 128 / 16;
    const int64_t of_block = std::min<int64_t>(128, columns - 128 * block);
    const int64_t lane_bytes = ((of_block + 15) / 16 * bits + 7) / 8;
    const int64_t at = code * bits + bit, byte = at / 8;
    int64_t begin = 0;
    for (;;) {
      const int64_t left = lane_bytes - begin, part = left >= 4 ? 4 : left >= 2 ? 2 : 1;
      if (byte < begin + part)
        return {128 * block * bits / 8 + 16 * begin + lane * part + (byte - begin), at % 8};
      begin += part;
    }
  }
  int64_t read(int64_t row, int64_t k) const {
    int64_t code = 0;
    for (int64_t bit = 0; bit < bits; ++bit) {
      const auto [byte, shift] = place(k, bit);
      code |= (int64_t(bytes[row * width + byte]) >> shift & 1) << bit;
    }
    return code;
  }
  void write(int64_t row, int64_t k, int64_t code) const {
    for (int64_t bit = 0; bit < bits; ++bit) {
      const auto [byte, shift] = place(k, bit);
      bytes[row * width + byte] += double((code >> bit & 1) << shift);
    }
  }
};

inline int64_t book_of(const View& row_books, int64_t row) {
  return int64_t(values(row_books)[2 * row]) + 256 * int64_t(values(row_books)[2 * row + 1]);
}

// The number that a code stands for; NaN for one that is not there.
inline double number_of(const View& codebooks, int64_t book, int64_t code) {
  if (book >= codebooks.shape[0] || code >= codebooks.shape[1]) return NAN;
  return values(codebooks)[book * codebooks.shape[1] + code];
}

}  // namespace orthokit::bench
