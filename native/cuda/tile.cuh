// Products of tiles: the block's part of op(a) op(b), for matrices of any size and alignment.
#pragma once
#include <algorithm>
#include <cstring>

#include "cuda/device/async.cuh"
#include "cuda/device/fused.cuh"
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

// To global memory; why not plainly, store_raw says.
template <class T>
__device__ __forceinline__ void write_chunk(T* p, const T (&values)[kChunk<T>]) {
  uint4 raw;
  memcpy(&raw, values, 16);
  __stwb(reinterpret_cast<uint4*>(p), raw);
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

// How a tile's share of an operand lies in shared memory, and which chunks of it a thread brings.
template <class T, bool deep, int side>
struct PanelLayout {
  static constexpr bool kDeep = deep;
  static constexpr int kSide = side, kV = kChunk<T>, kDepth = kStage;
  static constexpr int kEach = side / 16;  // rows of a thread
  // Lines of neighbours; those of deep panels are padded: eight of them lie in different banks.
  static constexpr int kLines = deep ? side : kStage, kLine = deep ? kStage : side;
  static constexpr int kPitch = deep ? kLine + kV : kLine;
  static constexpr int kElements = kLines * kPitch;

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

  static constexpr int kPerLine = kLine / kV, kLinesAtOnce = kTileThreads / kPerLine;
  static_assert(kLines % kLinesAtOnce == 0);

  static __device__ __forceinline__ int my_line() {
    const int line = int(threadIdx.x) / kPerLine;
    // With four chunks a line, eight threads write two lines that are four apart: no conflicts.
    return kPerLine == 4 ? line / 8 * 8 + line % 2 * 4 + line / 2 % 4 : line;
  }
  static __device__ __forceinline__ int my_place() { return int(threadIdx.x) % kPerLine * kV; }
  static __device__ __forceinline__ int my_target() { return my_line() * kPitch + my_place(); }
  // Elements that do not exist are not read, wherever `from` points.
  static __device__ __forceinline__ void copy(T* to, const T* from, int exist, bool whole = true) {
    exist = exist < 0 ? 0 : exist < kV ? exist : kV;
    if (whole) {
      cp_async<16>(to, from, exist * int(sizeof(T)));
      return;
    }
#pragma unroll 1
    for (int i = 0; i < kV; ++i) cp_async<sizeof(T)>(to + i, from + i, i < exist ? sizeof(T) : 0);
  }
};

// A tile's share of an operand, on its way to shared memory.
template <class T, bool deep, int side>
class Panel : public PanelLayout<T, deep, side> {
 public:
  using Layout = PanelLayout<T, deep, side>;
  __device__ Panel(const Side<T>& s, int64_t offset, int64_t row, int64_t all_rows, int64_t depth)
      : next_(s.data + offset + (deep ? row * s.stride + depth : depth * s.stride + row) +
              int64_t(Layout::my_line()) * s.stride + Layout::my_place()),
        stride_(s.stride),
        rows_(int(all_rows - row < side ? all_rows - row : side)),
        whole_(s.whole) {}

  // Begins to copy the next stage, of which `depth` elements exist, or more; zeros follow them.
  __device__ __forceinline__ void fetch(T* stage, int depth) {
    T* to = stage + Layout::my_target();
    const int lines = (deep ? rows_ : depth) - Layout::my_line(),
              exist = (deep ? depth : rows_) - Layout::my_place();
#pragma unroll
    for (int line = 0; line < Layout::kLines; line += Layout::kLinesAtOnce)
      Layout::copy(to + line * Layout::kPitch, next_ + int64_t(line) * stride_,
                   line < lines ? exist : 0, whole_);
    next_ += deep ? kStage : int64_t(kStage) * stride_;
  }

 private:
  const T* next_;  // of the calling thread
  int stride_;
  int rows_;  // those that exist
  bool whole_;
};

// The place of a thread's elements in a tile: a warp covers 4 × 8 places, so that its reads of
// either panel are one access wide.
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

// Of a panel for each operand: a Panel, or what fetches as one.
template <class T, int side, class A, class B, int most_steps = kRun>
struct PanelProduct {
  static_assert(most_steps % kStage == 0);
  static constexpr int kEach = side / 16, kV = kChunk<T>;
  static constexpr int kStageElements = A::kElements + B::kElements;
  static constexpr int kSlabElements = Slab<T, side>::kRows * Slab<T, side>::kPitch;
  using Sums = T[kEach][kEach];

  // store(slab, first, last) gets the sums of most_steps at a time, slab by slab; zeros if depth
  // is 0. All threads of the block call it.
  template <class Store>
  static __device__ __forceinline__ void run(A a, B b, int64_t depth, const Store& store) {
    constexpr int kElements =
        2 * kStageElements > kSlabElements ? 2 * kStageElements : kSlabElements;
    __shared__ __align__(16) T memory[kElements];
    const Place place;
    for (int64_t from = 0; from == 0 || from < depth; from += most_steps) {
      const int run = int(depth - from < most_steps ? depth - from : most_steps);
      Sums sums = {};
      const auto fetch = [&](int stage, int at) {
        T* to = memory + stage * kStageElements;
        a.fetch(to, run - at);
        b.fetch(to + A::kElements, run - at);
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
      if constexpr (A::kDeep) {
#pragma unroll
        for (int i = 0; i < kEach; ++i) {
          T steps[kSteps];
          A::load_steps(a, place.y, i, step, steps);
#pragma unroll
          for (int v = 0; v < kSteps; ++v) left[v][i] = steps[v];
        }
      } else if constexpr (B::kDeep) {
#pragma unroll
        for (int v = 0; v < kSteps; ++v) A::load_rows(a, place.y, step + v, left[v]);
      }
      if constexpr (B::kDeep) {
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
          if constexpr (!A::kDeep) A::load_rows(a, place.y, step + v, left[v]);
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

template <class T, int side, bool a_deep, bool b_deep, int most_steps = kRun>
using TileProduct =
    PanelProduct<T, side, Panel<T, a_deep, side>, Panel<T, b_deep, side>, most_steps>;

inline int64_t parts_of(int64_t total, int64_t part) { return (total + part - 1) / part; }

// How a depth is cut where there are too few tiles to fill a device: slices are summed apart, then
// in order. By the shape alone, so that the bits do not depend on the device.
struct Slices {
  int64_t count = 1, depth;
  Slices(int64_t tiles, int64_t whole_depth, int64_t stage = kStage) : depth(whole_depth) {
    constexpr int64_t kEnough = 128, kLeast = 256;
    if (tiles == 0 || tiles > kEnough / 2 || whole_depth < 2 * kLeast) return;
    const int64_t wanted = std::min(kEnough / tiles, whole_depth / kLeast);
    depth = parts_of(parts_of(whole_depth, wanted), stage) * stage;
    count = parts_of(whole_depth, depth);
  }
};

// Large tiles read less of the panels; where there are few of them, small ones fill a device
// better.
inline constexpr int kLargeTile = 128, kSmallTile = 64;
template <class T>
constexpr bool has_large_tiles = sizeof(T) == 4;  // sums in f64 take the registers of small ones
inline bool are_large_enough(int64_t rows, int64_t columns, int64_t large_tiles) {
  constexpr int64_t kEnough = 96;
  return std::min(rows, columns) > kSmallTile && large_tiles >= kEnough;
}

}  // namespace orthokit::cuda
