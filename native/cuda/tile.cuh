// Products of tiles: the block's part of op(a) op(b), for matrices of any size and alignment.
#pragma once
#include <algorithm>
#include <cstring>

#include "cuda/device/async.cuh"
#include "cuda/kernel.h"
#include "cuda/launch.cuh"

namespace orthokit::cuda {

inline constexpr int kTileThreads = 256;  // 16 × 16: each has every 16th row and column of a tile
inline constexpr int kStage = 16;         // depth that is in shared memory at once
// A running sum is no longer than this: what longer ones lose in f32 shows.
inline constexpr int kRun = 512;
static_assert(kRun % kStage == 0);

template <class T>
inline constexpr int kChunk = 16 / sizeof(T);  // elements that move in one access

__device__ __forceinline__ float fused(float a, float b, float c) { return fmaf(a, b, c); }
__device__ __forceinline__ double fused(double a, double b, double c) { return fma(a, b, c); }

// One operand: rows of c's side, each `depth` elements deep. Deep: neighbours in memory follow the
// depth; wide: they follow the rows.
template <class T>
struct Side {
  const T* data;
  int64_t stride;  // between what are no neighbours
  bool whole;      // 16-byte accesses are aligned

  Side(const T* p, int64_t stride_, int64_t of_batch)
      : data(p),
        stride(stride_),
        whole(reinterpret_cast<uintptr_t>(p) % 16 == 0 && stride_ % kChunk<T> == 0 &&
              of_batch % kChunk<T> == 0) {}
};

// A tile's share of an operand in shared memory.
template <class T, bool deep, int side>
struct Panel {
  static constexpr int kV = kChunk<T>;
  static constexpr int kEach = side / 16;  // rows of a thread
  // Rows of deep panels are padded: eight of them lie in different banks.
  static constexpr int kPitch = deep ? kStage + kV : side;
  static constexpr int kElements = deep ? side * kPitch : kStage * kPitch;
  static constexpr int kChunks = side * kStage / kV;
  static_assert(kChunks % kTileThreads == 0);

  const T* from;  // the first row, at the depth where the tile's sum begins
  int64_t stride;
  int rows;  // those that exist; the others are zeros
  bool whole;

  __device__ Panel(const Side<T>& s, int64_t offset, int64_t row, int64_t all_rows, int64_t depth)
      : from(s.data + offset + (deep ? row * s.stride + depth : depth * s.stride + row)),
        stride(s.stride),
        rows(int(all_rows - row < side ? all_rows - row : side)),
        whole(s.whole) {}

  // Begins to copy the stage at `depth`, of which `left` elements exist.
  __device__ __forceinline__ void fetch(T* stage, int64_t depth, int64_t left) const {
    const int exists = int(left < kStage ? left : kStage);
#pragma unroll
    for (int c = int(threadIdx.x); c < kChunks; c += kTileThreads) {
      if constexpr (deep) {
        constexpr int kPerRow = kStage / kV;
        // Where a row has four chunks, eight threads write rows that are four apart: no conflicts.
        const int u = c / kPerRow, at = c % kPerRow * kV;
        const int row = kPerRow == 4 ? u / 8 * 8 + u % 2 * 4 + u / 2 % 4 : u;
        copy(stage + row * kPitch + at, from + row * stride + depth + at,
             row < rows ? exists - at : 0);
      } else {
        constexpr int kPerStep = side / kV;
        const int step = c / kPerStep, row = c % kPerStep * kV;
        copy(stage + step * kPitch + row, from + (depth + step) * stride + row,
             step < exists ? rows - row : 0);
      }
    }
  }

  // The row of the tile that is element i of the thread at `place` of 16.
  static __device__ __forceinline__ int row_of(int place, int i) {
    return deep ? place + 16 * i : kV * place + i % kV + 16 * kV * (i / kV);
  }
  // kV steps of a deep panel's row i.
  static __device__ __forceinline__ void load_steps(const T* stage, int place, int i, int step,
                                                    T (&out)[kV]) {
    load_chunk(stage + row_of(place, i) * kPitch + step, out);
  }
  // One step of a wide panel, all rows of the thread.
  static __device__ __forceinline__ void load_rows(const T* stage, int place, int step,
                                                   T (&out)[kEach]) {
#pragma unroll
    for (int i = 0; i < kEach; i += kV) {
      T chunk[kV];
      load_chunk(stage + step * kPitch + row_of(place, i), chunk);
#pragma unroll
      for (int v = 0; v < kV; ++v) out[i + v] = chunk[v];
    }
  }

 private:
  static __device__ __forceinline__ void load_chunk(const T* p, T (&out)[kV]) {
    const uint4 raw = *reinterpret_cast<const uint4*>(p);
    memcpy(out, &raw, 16);
  }
  __device__ __forceinline__ void copy(T* to, const T* p, int exist) const {
    exist = exist < 0 ? 0 : exist < kV ? exist : kV;
    if (whole) {
      cp_async<16>(to, exist > 0 ? p : from, exist * int(sizeof(T)));
      return;
    }
#pragma unroll
    for (int i = 0; i < kV; ++i)
      cp_async<sizeof(T)>(to + i, i < exist ? p + i : from, i < exist ? int(sizeof(T)) : 0);
  }
};

// Where a thread's elements lie in a tile: a warp covers 4 × 8 places, so that its reads of either
// panel are one access wide.
struct Place {
  int y, x;
  __device__ Place() {
    const int lane = int(threadIdx.x) % kWarp, warp = int(threadIdx.x) / kWarp;
    y = warp / 2 * 4 + lane / 8;
    x = warp % 2 * 8 + lane % 8;
  }
};

template <class T, int side, bool a_deep, bool b_deep>
struct TileProduct {
  using A = Panel<T, a_deep, side>;
  using B = Panel<T, b_deep, side>;
  static constexpr int kEach = side / 16, kV = kChunk<T>;
  static constexpr bool kWideColumns = !b_deep;
  using Sums = T[kEach][kEach];

  // flush(sums, first, last) gets the sums of kRun steps at a time, and of none if depth is 0. All
  // threads of the block call it.
  template <class Flush>
  static __device__ __forceinline__ void run(const A& a, const B& b, int64_t depth,
                                             const Flush& flush) {
    __shared__ __align__(16) T stages[2][A::kElements + B::kElements];
    const Place place;
    Sums sums = {};
    __syncthreads();  // the stages of an earlier tile may still be read
    const auto fetch = [&](int stage, int64_t at) {
      a.fetch(stages[stage], at, depth - at);
      b.fetch(stages[stage] + A::kElements, at, depth - at);
      cp_async_commit();
    };
    fetch(0, 0);
    int stage = 0;
    bool first = true;
    for (int64_t at = 0; at == 0 || at < depth; at += kStage, stage ^= 1) {
      cp_async_wait<0>();
      __syncthreads();  // the stage has arrived for all, and nobody reads the other one any more
      const bool last = at + kStage >= depth;
      if (!last) fetch(stage ^ 1, at + kStage);
      multiply(stages[stage], stages[stage] + A::kElements, place, sums);
      if (!last && (at + kStage) % kRun != 0) continue;
      flush(sums, first, last);
      first = false;
#pragma unroll
      for (int i = 0; i < kEach; ++i)
#pragma unroll
        for (int j = 0; j < kEach; ++j) sums[i][j] = 0;
    }
  }

 private:
  // Each sum grows in the order of the steps, whatever the panels look like.
  static __device__ __forceinline__ void multiply(const T* a, const T* b, const Place& place,
                                                  Sums& sums) {
#pragma unroll
    for (int step = 0; step < kStage; step += kV) {
      T left[kV][kEach];
      if constexpr (a_deep) {
#pragma unroll
        for (int i = 0; i < kEach; ++i) {
          T steps[kV];
          A::load_steps(a, place.y, i, step, steps);
#pragma unroll
          for (int v = 0; v < kV; ++v) left[v][i] = steps[v];
        }
      } else if constexpr (b_deep) {
#pragma unroll
        for (int v = 0; v < kV; ++v) A::load_rows(a, place.y, step + v, left[v]);
      }
      if constexpr (b_deep) {
#pragma unroll
        for (int j = 0; j < kEach; ++j) {
          T right[kV];
          B::load_steps(b, place.x, j, step, right);
#pragma unroll
          for (int v = 0; v < kV; ++v)
#pragma unroll
            for (int i = 0; i < kEach; ++i) sums[i][j] = fused(left[v][i], right[v], sums[i][j]);
        }
      } else {
#pragma unroll
        for (int v = 0; v < kV; ++v) {
          if constexpr (!a_deep) A::load_rows(a, place.y, step + v, left[v]);
          T right[kEach];
          B::load_rows(b, place.x, step + v, right);
#pragma unroll
          for (int i = 0; i < kEach; ++i)
#pragma unroll
            for (int j = 0; j < kEach; ++j) sums[i][j] = fused(left[v][i], right[j], sums[i][j]);
        }
      }
    }
  }
};

// Blocks for `items` that they take in turn: more than a grid may have wait their turn.
inline dim3 blocks_for(int64_t items) {
  constexpr int64_t kMostBlocks = 0x7fffffff;
  return dim3(unsigned(items < kMostBlocks ? items : kMostBlocks));
}

inline int64_t parts_of(int64_t total, int64_t part) { return (total + part - 1) / part; }

// How a depth is cut where there are too few tiles to fill a device: slices are summed apart, then
// in order. By the shape alone, so that the bits do not depend on the device.
struct Slices {
  int64_t count = 1, depth;
  Slices(int64_t tiles, int64_t whole_depth) : depth(whole_depth) {
    constexpr int64_t kEnough = 128, kLeast = 256;
    if (tiles == 0 || tiles > kEnough / 2 || whole_depth < 2 * kLeast) return;
    const int64_t wanted = std::min(kEnough / tiles, whole_depth / kLeast);
    depth = parts_of(parts_of(whole_depth, wanted), kStage) * kStage;
    count = parts_of(whole_depth, depth);
  }
};

// Tiles of this side fill a device; smaller ones do it for smaller products.
template <class T>
constexpr bool has_large_tiles = sizeof(T) == 4;
inline constexpr int kLargeTile = 128, kSmallTile = 64;
inline constexpr int64_t kEnoughLargeTiles = 96;

}  // namespace orthokit::cuda
