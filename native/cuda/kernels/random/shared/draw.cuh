// Words of Philox for a thread.
#pragma once
#include "cuda/device/launch.cuh"
#include "math/philox.h"

namespace orthokit::cuda {

// From word `first` of the sequence: `needed` words, and nothing of use behind them. Only the
// blocks that hold them are computed: one for four words whose position is a multiple of four.
template <int blocks>
__device__ __forceinline__ void draw(uint64_t seed, uint64_t stream, uint64_t first, int needed,
                                     uint32_t (&words)[4 * blocks]) {
  const int shift = int(first % 4);
#pragma unroll
  for (int b = 0; b < blocks; ++b) {
    math::PhiloxBlock block{};
    if (4 * b < shift + needed) block = math::philox(seed, stream, first / 4 + uint64_t(b));
#pragma unroll
    for (int k = 0; k < 4; ++k) words[4 * b + k] = block.words[k];
  }
  // In two steps with fixed indices, so that the words stay in registers.
#pragma unroll
  for (int step = 1; step <= 2; ++step)
    if (shift & step)
#pragma unroll
      for (int i = 0; i + step < 4 * blocks; ++i) words[i] = words[i + step];
}

}  // namespace orthokit::cuda
