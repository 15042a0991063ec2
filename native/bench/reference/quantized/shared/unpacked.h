// Packed codes as numbers, by the words of docs/design/packed-codes.md.
#pragma once
#include "bench/reference/reference.h"

namespace orthokit::bench {

// Bytes of a lane of a block of so many elements.
inline int64_t lane_size(int64_t elements, int64_t bits) {
  const int64_t codes = (elements + 15) / 16;
  return (codes * bits + 7) / 8;
}

// The place of byte `index` of lane `lane` in a block whose lanes have so many bytes: parts of 4, 2
// and 1 bytes, of all lanes side by side.
inline int64_t place_in_block(int64_t size, int64_t lane, int64_t index) {
  int64_t begin = 0, left = size;
  for (;;) {
    const int64_t part = left >= 4 ? 4 : left >= 2 ? 2 : 1;
    if (index < begin + part) return 16 * begin + part * lane + index - begin;
    begin += part, left -= part;
  }
}

// The place of bit `bit` of element k in a row of so many elements: its byte and its bit there.
struct PlaceOfBit {
  int64_t byte;
  int bit;
};
inline PlaceOfBit place_of_bit(int64_t columns, int64_t bits, int64_t k, int64_t bit) {
  const int64_t block = k / 128, lane = k % 16, at = k % 128 / 16 * bits + bit;
  const int64_t size = lane_size(std::min<int64_t>(128, columns - 128 * block), bits);
  return {16 * bits * block + place_in_block(size, lane, at / 8), int(at % 8)};
}

// Element k of a row of bytes, as an index.
inline int64_t index_of(const double* row, int64_t columns, int64_t bits, int64_t k) {
  int64_t index = 0;
  for (int64_t bit = 0; bit < bits; ++bit) {
    const PlaceOfBit at = place_of_bit(columns, bits, k, bit);
    index |= (int64_t(row[at.byte]) >> at.bit & 1) << bit;
  }
  return index;
}

inline double number_of(int64_t index, int64_t bits) {
  return double(index >= int64_t(1) << (bits - 1) ? index - (int64_t(1) << bits) : index);
}

// The matrix [rows, columns] of codes and scales.
inline std::vector<double> unpacked(const View& codes, const View& scales, int64_t bits,
                                    int64_t rows, int64_t columns) {
  std::vector<double> w;
  const int64_t groups = scales.shape[1], bytes = codes.shape[1];
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t k = 0; k < columns; ++k)
      w.push_back(number_of(index_of(values(codes) + i * bytes, columns, bits, k), bits) *
                  values(scales)[i * groups + k * groups / columns]);
  return w;
}

}  // namespace orthokit::bench
