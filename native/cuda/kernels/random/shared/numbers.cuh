// Numbers of a sequence by their places, for a thread.
#pragma once
#include <numbers>
#include <vector>

#include "cuda/kernels/random/shared/draw.cuh"
#include "cuda/vector.cuh"
#include "ops/random/random.h"

namespace orthokit::cuda {

template <class T>
__device__ __forceinline__ T uniform(const uint32_t* words) {
  if constexpr (std::is_same_v<T, double>) {
    return math::unit_double(words[0], words[1]);
  } else {
    return convert<T>(math::unit_float<kUniformBits<T>>(words[0]));
  }
}

struct NormalPair {
  double first, second;
};

// Box–Muller.
template <class T>
__device__ __forceinline__ NormalPair normal(const uint32_t* words) {
  double u, v;
  if constexpr (std::is_same_v<T, double>) {
    u = double(math::upper_53_bits(words[0], words[1]) + 1) * 0x1p-53;
    v = math::unit_double(words[2], words[3]);
  } else {
    u = (double(words[0]) + 1) * 0x1p-32, v = double(words[1]) * 0x1p-32;
  }
  const double radius = sqrt(-2 * log(u)), angle = 2 * std::numbers::pi * v;
  return {radius * cos(angle), radius * sin(angle)};
}

struct RandomNumbers {
  uint64_t seed, stream;
  Distribution distribution;

  // n elements from element g of the sequence.
  template <class T>
  __device__ void four(uint64_t g, int n, T (&out)[kVector]) const {
    constexpr int kWords = std::is_same_v<T, double> ? 2 : 1;  // an element
    if constexpr (std::is_same_v<T, int32_t>) {
      uint32_t words[8];
      draw<2>(seed, stream, g, n, words);
#pragma unroll
      for (int i = 0; i < kVector; ++i) out[i] = int32_t(words[i]);
    } else if (distribution == Distribution::kRademacher) {
      uint32_t words[8];
      draw<2>(seed, stream, g, n, words);
#pragma unroll
      for (int i = 0; i < kVector; ++i) out[i] = convert<T>(words[i] >> 31 ? -1.0f : 1.0f);
    } else if (distribution == Distribution::kUniform) {
      uint32_t words[4 + 4 * kWords];
      draw<1 + kWords>(seed, stream, kWords * g, kWords * n, words);
#pragma unroll
      for (int i = 0; i < kVector; ++i) out[i] = uniform<T>(words + kWords * i);
    } else {
      const int lead = int(g % 2);  // the first element is the second of its pair
      const int pairs = (lead + n + 1) / 2;
      uint32_t words[4 + 4 * kWords];
      draw<1 + kWords>(seed, stream, kWords * (g - uint64_t(lead)), 2 * kWords * pairs, words);
#pragma unroll
      for (int p = 0; p < 3; ++p) {
        if (p >= pairs) break;
        const NormalPair pair = normal<T>(words + 2 * kWords * p);
        const T cosine = convert<T>(pair.first), sine = convert<T>(pair.second);
        if (lead == 0) {
          if (2 * p < kVector) out[2 * p] = cosine;
          if (2 * p + 1 < kVector) out[2 * p + 1] = sine;
        } else {
          if (p > 0 && 2 * p - 1 < kVector) out[2 * p - 1] = cosine;
          if (2 * p < kVector) out[2 * p] = sine;
        }
      }
    }
  }
};

// The first element of each tensor of a list, counted from the first.
inline std::vector<uint64_t> first_elements(const List<View>& x) {
  std::vector<uint64_t> first;
  uint64_t next = 0;
  for (auto& v : x) {
    first.push_back(next);
    next += uint64_t(v.size());
  }
  return first;
}

}  // namespace orthokit::cuda
