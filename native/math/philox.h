// Philox4x32-10, a generator that is a function of a counter and a key: J. K. Salmon, M. A. Moraes,
// R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011. constexpr, for
// any backend and for device code.
#pragma once
#include <cstdint>

namespace orthokit::math {

struct PhiloxBlock {
  uint32_t words[4];
};

// counter = (index low, high, stream low, high), key = (seed low, high)
constexpr PhiloxBlock philox(uint64_t seed, uint64_t stream, uint64_t index) {
  uint32_t k0 = uint32_t(seed), k1 = uint32_t(seed >> 32);
  uint32_t c0 = uint32_t(index), c1 = uint32_t(index >> 32), c2 = uint32_t(stream),
           c3 = uint32_t(stream >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t(0xd2511f53u) * c0, p1 = uint64_t(0xcd9e8d57u) * c2;
    c0 = uint32_t(p1 >> 32) ^ c1 ^ k0;
    c1 = uint32_t(p1);
    c2 = uint32_t(p0 >> 32) ^ c3 ^ k1;
    c3 = uint32_t(p0);
    k0 += 0x9e3779b9u;
    k1 += 0xbb67ae85u;
  }
  return {{c0, c1, c2, c3}};
}

// Numbers in [0, 1) that distributions make of words, of 53 bits or of as many as are asked for.
constexpr uint64_t upper_53_bits(uint32_t high, uint32_t low) {
  return (uint64_t(high) << 32 | low) >> 11;
}
constexpr double unit_double(uint32_t high, uint32_t low) {
  return double(upper_53_bits(high, low)) * 0x1p-53;
}
template <int bits>
constexpr float unit_float(uint32_t word) {
  return float(int32_t(word >> (32 - bits))) / float(1 << bits);
}

// The known answers of Random123 (tests/kat_vectors), so that no compiler gets them wrong
// unnoticed.
constexpr bool philox_gives(uint64_t seed, uint64_t stream, uint64_t index, PhiloxBlock known) {
  const PhiloxBlock block = philox(seed, stream, index);
  for (int i = 0; i < 4; ++i)
    if (block.words[i] != known.words[i]) return false;
  return true;
}
static_assert(philox_gives(0, 0, 0, {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}}));
static_assert(philox_gives(~uint64_t(0), ~uint64_t(0), ~uint64_t(0),
                           {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}}));
static_assert(philox_gives(0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88,
                           {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}));

}  // namespace orthokit::math
