// Radix selection: each read of the elements settles the next bits of the key that a rank falls on,
// by counting.
#pragma once
#include <algorithm>

#include "cpu/convert.h"
#include "math/sizes.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

inline constexpr int kDigitBits = 16;  // of a key that one read settles
inline constexpr int64_t kDigits = int64_t(1) << kDigitBits;
inline constexpr int64_t kCounted = int64_t(1) << 20;  // elements that share counts

// body(at, n, values) for the elements of a tensor, block by block.
template <class T, class Body>
void for_blocks(const View& x, int64_t begin, int64_t size, Body&& body) {
  T buffer[kBlock];
  for (int64_t at = begin; at < begin + size; at += kBlock) {
    const int64_t n = std::min(kBlock, begin + size - at);
    body(at, n, load(x, at, n, buffer));
  }
}

// The counts of each next digit, of elements whose keys share the bits found; order gives keys.
template <class T, class Order>
void count_digits(const View& x, int64_t begin, int64_t size, math::SizeKey<T> found, int shift,
                  Order order, uint32_t* counts) {
  std::fill_n(counts, kDigits, 0);
  constexpr int kBits = int(sizeof(T)) * 8;
  const bool is_first = shift + kDigitBits >= kBits;
  const int above = is_first ? 0 : shift + kDigitBits;
  for_blocks<T>(x, begin, size, [&](int64_t, int64_t n, const T* values) {
    for (int64_t i = 0; i < n; ++i) {
      const auto key = order(values[i]);
      const int64_t digit = int64_t(key >> shift) & (kDigits - 1);
      if (is_first)
        ++counts[digit];
      else
        counts[digit] += (key >> above) == (found >> above);
    }
  });
}

// Digits are shared out: reading all parts of one costs more than those of its neighbours.
inline constexpr int64_t kDigitShares = 16, kDigitsOfShare = kDigits / kDigitShares;

// totals = the counts of all parts, of a share of the digits.
inline void sum_digits(const uint32_t* counts, int64_t parts, int64_t share, uint64_t* totals) {
  const int64_t first = share * kDigitsOfShare;
  std::fill_n(totals + first, kDigitsOfShare, 0);
  for (int64_t p = 0; p < parts; ++p)
    for (int64_t d = first; d < first + kDigitsOfShare; ++d) totals[d] += counts[p * kDigits + d];
}

// The digit in which the rank falls, from the largest on; the rank among those that have it.
template <class Key>
void settle(double& rank, Key& found, const uint64_t* totals, int shift) {
  for (int64_t digit = kDigits - 1; digit >= 0; --digit) {
    const double here = double(totals[digit]);
    if (rank <= here) {
      found |= Key(digit) << shift;
      return;
    }
    rank -= here;
  }
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
