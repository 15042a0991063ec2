// The lanes of packed rows, a thread each: 8 codes that are 16 elements apart.
#pragma once
#include "cuda/kernel.h"
#include "cuda/launch.cuh"
#include "ops/quantized/shared/codebooks.h"

namespace orthokit::cuda {

// Lane `lane` of a block; `in_words`: parts of 4 bytes lie at multiples of 4.
__device__ __forceinline__ uint64_t load_code_word(const uint8_t* block, int bytes, int lane,
                                                   bool in_words) {
  if (!in_words || bytes < 4) return math::read_lane(block, bytes, lane);
  const auto* words = reinterpret_cast<const uint32_t*>(block);
  uint64_t word = words[lane];
  if (bytes == 8) return word | uint64_t(words[math::kCodeLanes + lane]) << 32;
  for (int done = 4; done < bytes;) {
    const int size = math::part_bytes(bytes - done);
    const uint8_t* part = block + done * math::kCodeLanes + size * lane;
    for (int i = 0; i < size; ++i) word |= uint64_t(part[i]) << (8 * (done + i));
    done += size;
  }
  return word;
}
inline bool lies_in_words(const Coded& all) {
  return reinterpret_cast<uintptr_t>(all.codes) % sizeof(uint32_t) == 0;
}

// One lane of a matrix: where its codes lie, and its elements, the first and 16 on from each.
struct CodeWord {
  int64_t row, block;
  int lane;
};

// Body()(word) for each lane of each block of each row.
template <class Body>
__global__ void __launch_bounds__(256) code_words_kernel(Coded all, Body body) {
  const int64_t blocks = (all.row.columns + math::kBlockCodes - 1) / math::kBlockCodes;
  const int64_t count = all.rows * blocks * math::kCodeLanes;
  const auto stride = int64_t(gridDim.x) * blockDim.x;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += stride)
    body(all, CodeWord{i / math::kCodeLanes / blocks, i / math::kCodeLanes % blocks,
                       int(i % math::kCodeLanes)});
}

template <class Body>
void for_code_words(Stream& stream, const Coded& all, const Body& body) {
  const int64_t blocks = (all.row.columns + math::kBlockCodes - 1) / math::kBlockCodes;
  const int64_t count = all.rows * blocks * math::kCodeLanes;
  if (count == 0) return;
  constexpr int64_t kThreads = 256, kMostBlocks = 1 << 20;
  const int64_t wanted = (count + kThreads - 1) / kThreads;
  launch(stream, code_words_kernel<Body>,
         {dim3(unsigned(wanted < kMostBlocks ? wanted : kMostBlocks)), dim3(unsigned(kThreads))},
         all, body);
}

}  // namespace orthokit::cuda
