// Squares of a matrix, transposed in registers.
#pragma once
#include <cstdint>
#include <cstring>
#include <utility>

#include "cpu/variant.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// 16 bytes hold a row of a square; every processor has instructions that interleave two of them.
template <class Bits>
inline constexpr int kSide = 16 / sizeof(Bits);

// to[c, r] = from[r, c] for kSide × kSide elements. Each stage interleaves the first half of the
// rows with the second, which moves the bits of the position by one; after log₂ kSide stages rows
// and columns have changed places.
template <class Bits>
void transpose_square(const Bits* from, int64_t from_stride, Bits* to, int64_t to_stride) {
  constexpr int n = kSide<Bits>;
  typedef Bits Row __attribute__((vector_size(16)));
  Row rows[n], mixed[n];
  for (int i = 0; i < n; ++i) std::memcpy(&rows[i], from + i * from_stride, 16);
#pragma GCC unroll 4
  for (int stage = 1; stage < n; stage *= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < n / 2; ++i) {
      [&]<int... k>(std::integer_sequence<int, k...>) {
        const Row a = rows[i], b = rows[i + n / 2];
        mixed[2 * i] = __builtin_shufflevector(a, b, (k / 2 + k % 2 * n)...);
        mixed[2 * i + 1] = __builtin_shufflevector(a, b, (n / 2 + k / 2 + k % 2 * n)...);
      }
      (std::make_integer_sequence<int, n>());
    }
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i) rows[i] = mixed[i];
  }
  for (int i = 0; i < n; ++i) std::memcpy(to + i * to_stride, &rows[i], 16);
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
