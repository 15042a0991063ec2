// Runs of words of Philox, several blocks at a time.
#pragma once
#include <cstring>
#ifdef __AVX2__
#include <immintrin.h>
#endif

#include "cpu/variant.h"
#include "math/philox.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

#ifdef __AVX2__
#ifdef __AVX512F__
inline constexpr int kPhiloxBlocks = 8;
#else
inline constexpr int kPhiloxBlocks = 4;
#endif
// A word a lane, in the lower half; the upper one is not cleared, as products do not read it.
using PhiloxLanes = uint64_t __attribute__((vector_size(8 * kPhiloxBlocks)));
#ifdef __AVX512F__
inline constexpr PhiloxLanes kPhiloxPlaces{0, 1, 2, 3, 4, 5, 6, 7};
#else
inline constexpr PhiloxLanes kPhiloxPlaces{0, 1, 2, 3};
#endif

inline void multiply_words(const PhiloxLanes& a, uint32_t factor, PhiloxLanes& product) {
#ifdef __AVX512F__
  product = PhiloxLanes(_mm512_mul_epu32(__m512i(a), _mm512_set1_epi64(factor)));
#else
  product = PhiloxLanes(_mm256_mul_epu32(__m256i(a), _mm256_set1_epi64x(factor)));
#endif
}

// Blocks `index` … `index` + kPhiloxBlocks − 1, as philox() of math/philox.h.
inline void philox_blocks(uint64_t seed, uint64_t stream, uint64_t index, uint32_t* words) {
  uint32_t k0 = uint32_t(seed), k1 = uint32_t(seed >> 32);
  PhiloxLanes c0 = kPhiloxPlaces + index, c1 = c0 >> 32,
              c2 = PhiloxLanes{} + (stream & 0xffffffffu), c3 = PhiloxLanes{} + (stream >> 32), p0,
              p1;
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
    multiply_words(c0, 0xd2511f53u, p0), multiply_words(c2, 0xcd9e8d57u, p1);
    c0 = (p1 >> 32) ^ c1 ^ k0, c1 = p1;
    c2 = (p0 >> 32) ^ c3 ^ k1, c3 = p0;
    k0 += 0x9e3779b9u, k1 += 0xbb67ae85u;
  }
  const PhiloxLanes first = (c0 & 0xffffffffu) | c1 << 32, second = (c2 & 0xffffffffu) | c3 << 32;
#ifdef __AVX512F__
  const PhiloxLanes low = __builtin_shufflevector(first, second, 0, 8, 1, 9, 2, 10, 3, 11),
                    high = __builtin_shufflevector(first, second, 4, 12, 5, 13, 6, 14, 7, 15);
#else
  const PhiloxLanes low = __builtin_shufflevector(first, second, 0, 4, 1, 5),
                    high = __builtin_shufflevector(first, second, 2, 6, 3, 7);
#endif
  std::memcpy(words, &low, sizeof low);
  std::memcpy(words + sizeof low / 4, &high, sizeof high);
}
#else
inline constexpr int kPhiloxBlocks = 1;
inline void philox_blocks(uint64_t seed, uint64_t stream, uint64_t index, uint32_t* words) {
  const math::PhiloxBlock block = math::philox(seed, stream, index);
  std::memcpy(words, block.words, sizeof block.words);
}
#endif

// The words `first` … `first + count − 1` of the sequence lie at the pointer that is returned, in
// the buffer, which holds as many and kPhiloxSpare.
inline constexpr int kPhiloxSpare = 16 + 4 * kPhiloxBlocks;
inline const uint32_t* philox_words(uint64_t seed, uint64_t stream, uint64_t first, int64_t count,
                                    uint32_t* buffer) {
  const uint64_t begin = first / 4, end = (first + uint64_t(count) + 3) / 4;
  for (uint64_t b = begin; b < end; b += kPhiloxBlocks)
    philox_blocks(seed, stream, b, buffer + 4 * (b - begin));
  return buffer + first % 4;
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
