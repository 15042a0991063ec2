// Numbers of a sequence, by their definition.
#pragma once
#include "bench/reference/reference.h"
#include "ops/random/random.h"

namespace orthokit::bench {

// Word number `index` of the sequence, by the definition of Philox4x32-10 (Salmon et al. 2011): ten
// rounds of two products and a permutation, the key raised by Weyl constants between them.
inline uint32_t word(const Random& op, uint64_t index) {
  const uint64_t block = index / 4;
  const auto stream = uint64_t(op.stream), seed = uint64_t(op.seed);
  uint64_t counter[4] = {block & 0xffffffff, block >> 32, stream & 0xffffffff, stream >> 32};
  uint64_t key[2] = {seed & 0xffffffff, seed >> 32};
  for (int round = 0; round < 10; ++round) {
    const uint64_t first = 0xd2511f53 * counter[0], second = 0xcd9e8d57 * counter[2];
    counter[0] = (second >> 32) ^ counter[1] ^ key[0], counter[1] = second & 0xffffffff;
    counter[2] = (first >> 32) ^ counter[3] ^ key[1], counter[3] = first & 0xffffffff;
    key[0] = (key[0] + 0x9e3779b9) & 0xffffffff, key[1] = (key[1] + 0xbb67ae85) & 0xffffffff;
  }
  return uint32_t(counter[index % 4]);
}

// An integer of 53 bits from two words.
inline double wide(const Random& op, uint64_t first) {
  return double((uint64_t(word(op, first)) << 32 | word(op, first + 1)) >> 11);
}

inline double uniform(const Random& op, Dtype dtype, uint64_t g) {
  if (dtype == Dtype::kF64) return std::ldexp(wide(op, 2 * g), -53);
  const int bits = dtype == Dtype::kF32 ? 24 : dtype == Dtype::kF16 ? 11 : 8;
  return std::ldexp(double(word(op, g) >> (32 - bits)), -bits);
}

inline double normal(const Random& op, Dtype dtype, uint64_t g) {
  const uint64_t p = g / 2;
  double u, v;
  if (dtype == Dtype::kF64)
    u = std::ldexp(wide(op, 4 * p) + 1, -53), v = std::ldexp(wide(op, 4 * p + 2), -53);
  else
    u = std::ldexp(double(word(op, 2 * p)) + 1, -32), v = std::ldexp(word(op, 2 * p + 1), -32);
  const double radius = std::sqrt(-2 * std::log(u)), angle = 2 * std::acos(-1.0) * v;
  return radius * (g % 2 == 0 ? std::cos(angle) : std::sin(angle));
}

}  // namespace orthokit::bench
