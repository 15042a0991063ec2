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

template <class T>
__device__ __forceinline__ void load_chunk(const T* p, T (&out)[kChunk<T>]) {
  const uint4 raw = *reinterpret_cast<const uint4*>(p);
  memcpy(out, &raw, 16);
}
template <class T>
__device__ __forceinline__ void store_chunk(T* p, const T (&values)[kChunk<T>]) {
  uint4 raw;
  memcpy(&raw, values, 16);
  *reinterpret_cast<uint4*>(p) = raw;
}

template <class T>
bool is_aligned(const T* p) {
  return reinterpret_cast<uintptr_t>(p) % 16 == 0;
}

// One operand: rows of c's side, each `depth` elements deep. Deep: neighbours in memory follow the
// depth; wide: they follow the rows.
template <class T>
struct Side {
  const T* data;
  int stride;  // between what are no neighbours
  bool whole;  // 16-byte accesses are aligned

  Side(const T* p, int64_t stride_, int64_t of_batch)
      : data(p),
        stride(int(stride_)),
        whole(is_aligned(p) && stride_ % kChunk<T> == 0 && of_batch % kChunk<T> == 0) {}
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

  const T* from;  // the first row, at the depth where the sum begins
  int stride;
  int rows;  // those that exist; the others are zeros
  bool whole;

  __device__ Panel(const Side<T>& s, int64_t offset, int64_t row, int64_t all_rows, int64_t depth)
      : from(s.data + offset + (deep ? row * s.stride + depth : depth * s.stride + row)),
        stride(s.stride),
        rows(int(all_rows - row < side ? all_rows - row : side)),
        whole(s.whole) {}

  __device__ __forceinline__ void advance(int depth) {
    from += deep ? depth : int64_t(depth) * stride;
  }

  // Begins to copy the stage at `depth`, of which `exist` elements exist, or more.
  __device__ __forceinline__ void fetch(T* stage, int depth, int exist) const {
#pragma unroll
    for (int i = 0; i < kChunks; i += kTileThreads) {
      const int c = i + int(threadIdx.x);
      if constexpr (deep) {
        constexpr int kPerRow = kStage / kV;
        // Where a row has four chunks, eight threads write rows that are four apart: no conflicts.
        const int u = c / kPerRow, at = c % kPerRow * kV;
        const int row = kPerRow == 4 ? u / 8 * 8 + u % 2 * 4 + u / 2 % 4 : u;
        copy(stage + row * kPitch + at, from + int64_t(row) * stride + (depth + at),
             row < rows ? exist - at : 0);
      } else {
        constexpr int kPerStep = side / kV;
        const int step = c / kPerStep, row = c % kPerStep * kV;
        copy(stage + step * kPitch + row, from + int64_t(depth + step) * stride + row,
             step < exist ? rows - row : 0);
      }
    }
  }

  // The row of the tile that is element i of the thread at `place` of 16.
  static __device__ __forceinline__ int row_of(int place, int i) {
    return deep ? place + 16 * i : kV * place + i % kV + 16 * kV * (i / kV);
  }
  // Some steps of a deep panel's row i, in one access.
  template <int steps>
  static __device__ __forceinline__ void load_steps(const T* stage, int place, int i, int step,
                                                    T (&out)[steps]) {
    using Access = CopyWord<sizeof out>;
    const Access raw = *reinterpret_cast<const Access*>(stage + row_of(place, i) * kPitch + step);
    memcpy(out, &raw, sizeof out);
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
  __device__ __forceinline__ void copy(T* to, const T* p, int exist) const {
    exist = exist < 0 ? 0 : exist < kV ? exist : kV;
    if (whole) {
      cp_async<16>(to, exist > 0 ? p : from, exist * int(sizeof(T)));
      return;
    }
#pragma unroll 1
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

// Rows of a finished tile in shared memory, for all threads of the block to store.
template <class T, int side>
struct Slab {
  static constexpr int kRows = 16 * kChunk<T>;
  // Padded: neither the writes of sums nor reads across the rows have many bank conflicts.
  static constexpr int kPitch = side + 2 * kChunk<T>;
  T* values;
  int row;  // of the tile: its first

  __device__ __forceinline__ void put(int tile_row, int column, const T (&chunk)[kChunk<T>]) const {
    store_chunk(values + (tile_row - row) * kPitch + column, chunk);
  }
  // body(row, column, chunk) for kChunk<T> neighbours at a time. Neighbouring threads have
  // neighbouring chunks of a row, or, `down`, neighbouring rows.
  template <bool down, class Body>
  __device__ __forceinline__ void each(const Body& body) const {
    constexpr int kV = kChunk<T>, kPerRow = side / kV;
#pragma unroll 1
    for (int c = int(threadIdx.x); c < kRows * kPerRow; c += kTileThreads) {
      const int at = down ? c % kRows : c / kPerRow, column = (down ? c / kRows : c % kPerRow) * kV;
      T chunk[kV];
      load_chunk(values + at * kPitch + column, chunk);
      body(row + at, column, chunk);
    }
  }
};

template <class T, int side, bool a_deep, bool b_deep>
struct TileProduct {
  using A = Panel<T, a_deep, side>;
  using B = Panel<T, b_deep, side>;
  static constexpr int kEach = side / 16, kV = kChunk<T>;
  static constexpr int kStageElements = A::kElements + B::kElements;
  static constexpr int kSlabElements = Slab<T, side>::kRows * Slab<T, side>::kPitch;
  using Sums = T[kEach][kEach];

  // store(slab, first, last) gets the sums of kRun steps at a time, slab by slab; zeros if depth
  // is 0. All threads of the block call it.
  template <class Store>
  static __device__ __forceinline__ void run(A a, B b, int64_t depth, const Store& store) {
    constexpr int kElements =
        2 * kStageElements > kSlabElements ? 2 * kStageElements : kSlabElements;
    __shared__ __align__(16) T memory[kElements];
    const Place place;
    for (int64_t from = 0; from == 0 || from < depth; from += kRun) {
      const int run = int(depth - from < kRun ? depth - from : kRun);
      Sums sums = {};
      const auto fetch = [&](int stage, int at) {
        T* to = memory + stage * kStageElements;
        a.fetch(to, at, run - at);
        b.fetch(to + A::kElements, at, run - at);
        cp_async_commit();
      };
      __syncthreads();  // the slab of an earlier run may still be read
      fetch(0, 0);
      int stage = 0;
      for (int at = 0; at == 0 || at < run; at += kStage, stage ^= 1) {
        cp_async_wait<0>();
        __syncthreads();  // the stage has arrived for all, and nobody reads the other one any more
        if (at + kStage < run) fetch(stage ^ 1, at + kStage);
        const T* panels = memory + stage * kStageElements;
        multiply(panels, panels + A::kElements, place, sums);
      }
#pragma unroll
      for (int i = 0; i < kEach; i += kV) {
        __syncthreads();  // the stages, or the slab before, are read no more
        write_slab(memory, place, sums, i);
        __syncthreads();  // the slab is complete
        store(Slab<T, side>{memory, 16 * i}, from == 0, from + run == depth);
      }
      a.advance(run), b.advance(run);
    }
  }

 private:
  // Elements first … first + kV - 1 of each thread are its share of one slab.
  static __device__ __forceinline__ void write_slab(T* to, const Place& place, const Sums& sums,
                                                    int first) {
#pragma unroll
    for (int i = 0; i < kV; ++i)
#pragma unroll
      for (int j = 0; j < kEach; ++j)
        to[A::row_of(place.y, i) * Slab<T, side>::kPitch + B::row_of(place.x, j)] =
            sums[first + i][j];
  }
  // Each sum grows in the order of the steps, whatever the panels look like.
  static __device__ __forceinline__ void multiply(const T* a, const T* b, const Place& place,
                                                  Sums& sums) {
    constexpr int kSteps = 2;  // at once: with more, the registers of two blocks run out
#pragma unroll 1
    for (int step = 0; step < kStage; step += kSteps) {
      T left[kSteps][kEach];
      if constexpr (a_deep) {
#pragma unroll
        for (int i = 0; i < kEach; ++i) {
          T steps[kSteps];
          A::load_steps(a, place.y, i, step, steps);
#pragma unroll
          for (int v = 0; v < kSteps; ++v) left[v][i] = steps[v];
        }
      } else if constexpr (b_deep) {
#pragma unroll
        for (int v = 0; v < kSteps; ++v) A::load_rows(a, place.y, step + v, left[v]);
      }
      if constexpr (b_deep) {
#pragma unroll
        for (int j = 0; j < kEach; ++j) {
          T right[kSteps];
          B::load_steps(b, place.x, j, step, right);
#pragma unroll
          for (int v = 0; v < kSteps; ++v)
#pragma unroll
            for (int i = 0; i < kEach; ++i) sums[i][j] = fused(left[v][i], right[v], sums[i][j]);
        }
      } else {
#pragma unroll
        for (int v = 0; v < kSteps; ++v) {
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

// Large tiles read less of the panels; where there are few of them, small ones fill a device better.
inline constexpr int kLargeTile = 128, kSmallTile = 64;
template <class T>
constexpr bool has_large_tiles = sizeof(T) == 4;  // sums in f64 take the registers of small ones
inline bool are_large_enough(int64_t rows, int64_t columns, int64_t large_tiles) {
  constexpr int64_t kEnough = 96;
  return std::min(rows, columns) > kSmallTile && large_tiles >= kEnough;
}

}  // namespace orthokit::cuda
