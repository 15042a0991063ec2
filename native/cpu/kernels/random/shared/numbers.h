// Numbers of a sequence by their places, as operations of random numbers have them.
#pragma once
#include <numbers>

#include "cpu/convert.h"
#include "cpu/kernels/random/shared/box_muller.h"
#include "cpu/kernels/random/shared/philox.h"
#include "ops/random/random.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T>
T uniform(const uint32_t* words) {
  if constexpr (std::is_same_v<T, double>) {
    return math::unit_double(words[0], words[1]);
  } else {
    return convert<T>(math::unit_float<kUniformBits<T>>(words[0]));
  }
}

struct Pair {
  double first, second;
};

// Box–Muller.
inline Pair normal(const uint32_t* words) {
  const double u = double(math::upper_53_bits(words[0], words[1]) + 1) * 0x1p-53,
               v = math::unit_double(words[2], words[3]);
  const double radius = std::sqrt(-2 * std::log(u)), angle = 2 * std::numbers::pi * v;
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

struct RandomNumbers {
  uint64_t seed, stream;
  Distribution distribution;

  // n elements, at most kBlock, from element g of the sequence.
  template <class T>
  void fill(uint64_t g, int64_t n, T* out) const {
    constexpr uint64_t kWords = std::is_same_v<T, double> ? 2 : 1;  // an element
    uint32_t buffer[2 * kBlock + kPhiloxSpare];
    if constexpr (std::is_same_v<T, int32_t>) {
      const uint32_t* words = philox_words(seed, stream, g, n, buffer);
      for (int64_t i = 0; i < n; ++i) out[i] = int32_t(words[i]);
    } else if (distribution == Distribution::kRademacher) {
      const uint32_t* words = philox_words(seed, stream, g, n, buffer);
      for (int64_t i = 0; i < n; ++i) out[i] = convert<T>(words[i] >> 31 ? -1.0f : 1.0f);
    } else if (distribution == Distribution::kUniform) {
      const uint32_t* words = philox_words(seed, stream, kWords * g, int64_t(kWords) * n, buffer);
      for (int64_t i = 0; i < n; ++i) out[i] = uniform<T>(words + kWords * uint64_t(i));
    } else {
      const int64_t lead = int64_t(g % 2);  // the first element is the second of its pair
      const int64_t pairs = (lead + n + 1) / 2;
      const uint32_t* words = philox_words(seed, stream, kWords * (g - uint64_t(lead)),
                                           int64_t(2 * kWords) * pairs, buffer);
      double values[kBlock + 2];
      if constexpr (std::is_same_v<T, double>)
        for (int64_t p = 0; p < pairs; ++p) {
          const Pair pair = normal(words + 4 * p);
          values[2 * p] = pair.first, values[2 * p + 1] = pair.second;
        }
      else
        box_muller(words, pairs, values);
      for (int64_t i = 0; i < n; ++i) out[i] = convert<T>(values[lead + i]);
    }
  }
};

// The first element of each tensor of a list in the sequence.
inline const uint64_t* first_elements(const List<View>& x, int64_t offset, Stream& stream) {
  auto* first = stream.scratch<uint64_t>(x.count);
  auto next = uint64_t(offset);
  for (int64_t t = 0; t < x.count; ++t) {
    first[t] = next;
    next += uint64_t(x[t].size());
  }
  return first;
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
