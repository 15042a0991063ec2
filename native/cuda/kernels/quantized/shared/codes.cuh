// Packed codes for a thread.
#pragma once
#include <type_traits>

#include "cuda/launch.cuh"
#include "ops/quantized/shared/grouped.h"

namespace orthokit::cuda {

// Places of the rows of a matrix.
struct GroupedRows {
  Grouped size;
  const uint8_t* codes;
  const float* scales;
  bool is_aligned;  // to the parts of lanes
  __device__ const uint8_t* block(int64_t row, int64_t at) const {
    return codes + row * size.row.bytes() + at * size.row.block_bytes();
  }
  __device__ const float* scales_of(int64_t row) const { return scales + row * size.groups; }
};

inline GroupedRows grouped_rows(const Grouped& size, const View& codes, const View& scales) {
  const auto* data = codes.as<const uint8_t>();
  return {size, data, scales.as<const float>(), reinterpret_cast<uintptr_t>(data) % 4 == 0};
}

// Holds a lane of a whole block.
template <int bits>
using CodeLane = std::conditional_t<(bits > 4), uint64_t, uint32_t>;

// A lane of block `at` of a row.
template <int bits>
__device__ __forceinline__ uint64_t lane_of(const GroupedRows& w, int64_t row, int64_t at,
                                            int lane) {
  const uint8_t* block = w.block(row, at);
  if (!w.is_aligned || at >= w.size.row.whole_blocks())
    return math::read_lane(block, w.size.row.bytes_of_lane(at), lane);
  if constexpr (bits == 2) return reinterpret_cast<const uint16_t*>(block)[lane];
  if constexpr (bits == 3)
    return uint64_t(reinterpret_cast<const uint16_t*>(block)[lane]) |
           uint64_t(block[2 * math::kCodeLanes + lane]) << 16;
  const auto* words = reinterpret_cast<const uint32_t*>(block);
  if constexpr (bits == 4) return words[lane];
  return uint64_t(words[lane]) | uint64_t(words[math::kCodeLanes + lane]) << 32;
}

// Code h of a lane as a number.
template <int bits>
__device__ __forceinline__ float number_of(uint64_t lane, int h) {
  return float(math::signed_code(uint32_t(lane >> (bits * h)) & ((1u << bits) - 1), bits));
}

// f.operator()<bits>()
template <class F>
void with_bits(int64_t bits, F&& f) {
  if (bits == 2) return f.template operator()<2>();
  if (bits == 3) return f.template operator()<3>();
  if (bits == 4) return f.template operator()<4>();
  f.template operator()<8>();
}

}  // namespace orthokit::cuda
