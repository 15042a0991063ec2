// Products of tiles of 16-bit matrices on tensor cores, summed in f32: any size, operands aligned.
#pragma once
#include "cuda/convert.cuh"
#include "cuda/device/async.cuh"
#include "cuda/device/mma.cuh"
#include "cuda/launch.cuh"

namespace orthokit::cuda {

inline constexpr int kHalfThreads = 128;  // 2 × 2 warps, a quarter of the tile each
inline constexpr int kHalfStage = 32;     // depth that is in shared memory at once
inline constexpr int kHalfChunk = 8;      // elements of 16 bytes

// Stages of the depth that shared memory holds at once, within kMostShared.
template <int side>
inline constexpr int kHalfStages = side == 128 ? 3 : 4;

// One operand: rows of c's side, each `depth` elements deep. Deep: neighbours in memory follow the
// depth; wide: they follow the rows. Everything starts at 16 bytes.
template <class T>
struct HalfSide {
  const T* data;
  int64_t stride;  // between what are no neighbours
};

__device__ __forceinline__ void multiply_matrices(float (&d)[4], const unsigned (&a)[4],
                                                  const unsigned (&b)[2], Half) {
  mma_f16_16816(d, a, b);
}
__device__ __forceinline__ void multiply_matrices(float (&d)[4], const unsigned (&a)[4],
                                                  const unsigned (&b)[2], Bfloat16) {
  mma_bf16_16816(d, a, b);
}

// How a tile's share of an operand lies in shared memory, and which chunks of it a thread brings.
// Chunks of a line change places by the line, so that neither copies nor the eight rows of a matrix
// have bank conflicts.
template <class T, bool deep, int side>
struct HalfLayout {
  static constexpr bool kDeep = deep;
  static constexpr int kSide = side, kV = kHalfChunk, kDepth = kHalfStage;
  static constexpr int kLines = deep ? side : kHalfStage, kLine = deep ? kHalfStage : side;
  static constexpr int kPitch = kLine, kElements = kLines * kLine;

  // The start of a lane's rows of four 8 × 8 matrices, 16 rows from `first` and 16 steps. Rows come
  // before the depth (`rows_first`: as mma takes a), or the depth before the rows (b).
  template <bool rows_first>
  static __device__ __forceinline__ int lane_place(int first) {
    const unsigned lane = threadIdx.x % kWarp, quarter = lane / 8;
    const int row = rows_first ? quarter % 2 : quarter / 2,
              step = rows_first ? quarter / 2 : quarter % 2;
    const int line = lane % 8 + (deep ? first + 8 * row : 8 * step);
    return place(line, deep ? step : first / 8 + row);
  }
  // The i-th 16 rows and the part-th 16 steps from there. Two chunks on, one bit of the place
  // differs, whatever the line.
  static __device__ __forceinline__ void load(const T* stage, int lane_place, int i, int part,
                                              unsigned (&out)[4]) {
    const int along = deep ? part : i, lines = deep ? i : part;
    load_matrices<!deep>(out, stage + (lane_place ^ 2 * kHalfChunk * along) + 16 * lines * kLine);
  }

  static constexpr int kPerLine = kLine / kHalfChunk, kLinesAtOnce = kHalfThreads / kPerLine;
  static_assert(kLines % kLinesAtOnce == 0 && kLinesAtOnce % 8 == 0);

  static __device__ __forceinline__ int my_line() { return int(threadIdx.x) / kPerLine; }
  static __device__ __forceinline__ int my_chunk() { return int(threadIdx.x) % kPerLine; }
  static __device__ __forceinline__ int my_place() { return my_chunk() * kHalfChunk; }
  static __device__ __forceinline__ int my_target() { return place(my_line(), my_chunk()); }
  static __device__ __forceinline__ void copy(T* to, const T* from, int exist) {
    const int some = exist < 0 ? 0 : exist < kHalfChunk ? exist : kHalfChunk;
    cp_async16(to, from, some * int(sizeof(T)));
  }
  static __device__ __forceinline__ int place(int line, int chunk) {
    const int by =
        kPerLine == 4 ? line / 2 % 4 : line % 8;  // lines that share a place in the banks
    return line * kLine + (chunk ^ by) * kHalfChunk;
  }
};

// A tile's share of an operand, on its way to shared memory.
template <class T, bool deep, int side>
class HalfPanel : public HalfLayout<T, deep, side> {
 public:
  using Layout = HalfLayout<T, deep, side>;

  __device__ HalfPanel(const HalfSide<T>& s, int64_t offset, int64_t row, int64_t all_rows,
                       int64_t depth)
      : next_(s.data + offset + (deep ? row * s.stride + depth : depth * s.stride + row) +
              Layout::my_line() * s.stride + Layout::my_place()),
        stride_(s.stride),
        rows_(int(all_rows - row < side ? all_rows - row : side)),
        to_(Layout::my_target()) {}

  // Begins to copy the next stage, of which `depth` elements exist, or more; zeros follow them.
  __device__ __forceinline__ void fetch(T* stage, int depth) {
    const int left = depth < kHalfStage ? depth : kHalfStage;
    const int lines = (deep ? rows_ : left) - Layout::my_line(),
              exist = (deep ? left : rows_) - Layout::my_place();
    const T* from = next_;
#pragma unroll
    for (int line = 0; line < Layout::kLines;
         line += Layout::kLinesAtOnce, from += Layout::kLinesAtOnce * stride_)
      Layout::copy(stage + to_ + line * Layout::kPitch, from, line < lines ? exist : 0);
    next_ = deep ? next_ + kHalfStage : from;
  }

 private:
  const T* next_;  // of the calling thread
  int64_t stride_;
  int rows_;  // those that exist
  int to_;    // of the calling thread
};

// The part of a tile's sums that a warp has: 16 × 8 pieces as mma leaves them.
template <int side>
struct HalfSums {
  static constexpr int kDown = side / 32, kAcross = side / 16;
  float values[kDown][kAcross][4];

  // The tile's row and column of the first.
  static __device__ __forceinline__ int first_row() {
    return int(threadIdx.x / kWarp / 2 * (side / 2) + threadIdx.x % kWarp / 4);
  }
  static __device__ __forceinline__ int first_column() {
    return int(threadIdx.x / kWarp % 2 * (side / 2) + threadIdx.x % 4 * 2);
  }
  // body(down, across, first, second): two neighbours in a row, so many eights down and across from
  // the first.
  template <class Body>
  __device__ __forceinline__ void each(const Body& body) const {
#pragma unroll
    for (int i = 0; i < kDown; ++i)
#pragma unroll
      for (int half = 0; half < 2; ++half)
#pragma unroll
        for (int j = 0; j < kAcross; ++j)
          body(2 * i + half, j, values[i][j][2 * half], values[i][j][2 * half + 1]);
  }
};

// Shared memory of a block: the stages, then the finished tile. Dynamic: there are many kernels.
template <int side>
inline constexpr int kHalfElements = kHalfStages<side> * 2 * side * kHalfStage;

// Of a panel for each operand: a HalfPanel, or what fetches as one.
template <class T, int side, class A, class B>
struct HalfPanelProduct {
  static constexpr int kStages = kHalfStages<side>, kElements = A::kElements + B::kElements;

  // The sums of the whole depth. All threads of the block call it; afterwards the memory is free.
  static __device__ __forceinline__ void run(A a, B b, int depth, T* memory, HalfSums<side>& sums) {
    sums = {};
    const int steps = depth / kHalfStage + (depth % kHalfStage != 0);
    const auto fetch = [&](int stage, int step) {
      if (step < steps) {
        T* to = memory + stage * kElements;
        const int left = depth - step * kHalfStage;
        a.fetch(to, left);
        b.fetch(to + A::kElements, left);
      }
      cp_async_commit();  // an empty group keeps the count
    };
    __syncthreads();  // what was in the memory is read no more
#pragma unroll
    for (int s = 0; s < kStages - 1; ++s) fetch(s, s);
    const int warp = int(threadIdx.x / kWarp);
    const int a_place = A::template lane_place<true>(warp / 2 * (side / 2)),
              b_place = B::template lane_place<false>(warp % 2 * (side / 2));
    int stage = 0, vacant = kStages - 1;
#pragma unroll 1
    for (int step = 0; step < steps; ++step) {
      cp_async_wait<kStages - 2>();
      __syncthreads();  // the stage has arrived for all, and nobody reads the other one any more
      fetch(vacant, step + kStages - 1);
      const T* panels = memory + stage * kElements;
      multiply(panels, a_place, panels + A::kElements, b_place, sums);
      vacant = stage;
      stage = stage + 1 == kStages ? 0 : stage + 1;
    }
    cp_async_wait<0>();
    __syncthreads();
  }

 private:
  static __device__ __forceinline__ void multiply(const T* a, int a_place, const T* b, int b_place,
                                                  HalfSums<side>& sums) {
    constexpr int kDown = HalfSums<side>::kDown, kAcross = HalfSums<side>::kAcross;
#pragma unroll
    for (int part = 0; part < kHalfStage / 16; ++part) {
      unsigned right[kAcross / 2][4];
#pragma unroll
      for (int j = 0; j < kAcross / 2; ++j) B::load(b, b_place, j, part, right[j]);
#pragma unroll
      for (int i = 0; i < kDown; ++i) {
        unsigned left[4];
        A::load(a, a_place, i, part, left);
#pragma unroll
        for (int j = 0; j < kAcross; ++j) {
          const unsigned pair[2] = {right[j / 2][j % 2 * 2], right[j / 2][j % 2 * 2 + 1]};
          multiply_matrices(sums.values[i][j], left, pair, T{});
        }
      }
    }
  }
};

template <class T, int side, bool a_deep, bool b_deep>
using HalfTileProduct =
    HalfPanelProduct<T, side, HalfPanel<T, a_deep, side>, HalfPanel<T, b_deep, side>>;

// A finished tile in shared memory. Chunks change places by the row: neither the pairs of sums, nor
// rows, nor eight rows of a column have bank conflicts.
template <class T, int side>
struct HalfResult {
  static constexpr int kPerRow = side / kHalfChunk;
  static_assert(side * side <= kHalfElements<side>);
  T* memory;

  __device__ __forceinline__ T* at(unsigned row, unsigned column) const {
    const unsigned by = row % 8 ^ row / 8 % 2 * 2;
    return memory + row * side + (column / kHalfChunk ^ by) * kHalfChunk + column % kHalfChunk;
  }
  // So many eights down and across from a place whose row is below 8 of 16.
  __device__ __forceinline__ T* from(const T* place, int down, int across) const {
    const int offset = int(place - memory);
    return memory + (offset ^ (across ^ down % 2 * 2) * kHalfChunk) + 8 * down * side;
  }
  // body(row, column) for each chunk of the tile, neighbours in a row by neighbouring threads.
  template <class Body>
  static __device__ __forceinline__ void each_chunk(const Body& body) {
#pragma unroll 1
    for (int c = int(threadIdx.x); c < side * kPerRow; c += kHalfThreads)
      body(c / kPerRow, c % kPerRow * kHalfChunk);
  }
  // body(row, column) for each chunk down the columns: two that follow each other by neighbouring
  // threads, so that what is written is whole sectors.
  template <class Body>
  static __device__ __forceinline__ void each_column(const Body& body) {
#pragma unroll 1
    for (int c = int(threadIdx.x); c < side * kPerRow; c += kHalfThreads)
      body((c % 2 + c / (2 * side) * 2) * kHalfChunk, c / 2 % side);
  }
  __device__ __forceinline__ uint4 column_chunk(int row, int column) const {
    T values[kHalfChunk];
#pragma unroll
    for (int i = 0; i < kHalfChunk; ++i) values[i] = *at(row + i, column);
    uint4 raw;
    memcpy(&raw, values, 16);
    return raw;
  }
  // The same of a symmetric tile, of which only what is not above the diagonal is there.
  __device__ __forceinline__ uint4 mirrored_chunk(int row, int column) const {
    T values[kHalfChunk];
#pragma unroll
    for (int i = 0; i < kHalfChunk; ++i)
      values[i] = row + i < column ? *at(column, row + i) : *at(row + i, column);
    uint4 raw;
    memcpy(&raw, values, 16);
    return raw;
  }
};

// One chunk of what was there before, into the finished tile; zeros where nothing exists.
template <class T>
__device__ __forceinline__ void bring_chunk(T* to, const T* from, int64_t exist, bool whole) {
  const int some = int(exist < 0 ? 0 : exist < kHalfChunk ? exist : kHalfChunk);
  if (whole) return cp_async16(to, from, some * int(sizeof(T)));
#pragma unroll 1
  for (int i = 0; i < kHalfChunk; ++i) to[i] = i < some ? from[i] : T{};
}

template <class T>
__device__ __forceinline__ void store_chunk(T* to, const uint4& raw, int64_t exist, bool whole) {
  if (whole && exist >= kHalfChunk) {
    __stwb(reinterpret_cast<uint4*>(to), raw);  // why not plainly, store_raw says
    return;
  }
  T values[kHalfChunk];
  memcpy(values, &raw, 16);
#pragma unroll
  for (int i = 0; i < kHalfChunk; ++i)
    if (i < exist) to[i] = values[i];
}

// The finished numbers of a tile: alpha sums + beta old + diagonal I + bias, where the tile holds
// old, and the bias a number for each of its `columns` that exist.
template <class T, int side>
__device__ __forceinline__ void finish_tile(const HalfSums<side>& sums,
                                            const HalfResult<T, side>& tile, float alpha,
                                            float beta, float diagonal = 0, const T* bias = nullptr,
                                            int columns = 0) {
  const int row = sums.first_row(), column = sums.first_column();
  const T* first_place = tile.at(row, column);
  sums.each([&](int down, int across, float first, float second) {
    if (across == 0) __syncwarp();  // keeps the loads of other rows, and their registers, apart
    unsigned* place = reinterpret_cast<unsigned*>(tile.from(first_place, down, across));
    T pair[2];
    first *= alpha, second *= alpha;
    if (beta != 0) {
      memcpy(pair, place, 4);
      first = fmaf(beta, to_float(pair[0]), first);
      second = fmaf(beta, to_float(pair[1]), second);
    }
    if (diagonal != 0) {
      const int below = row + 8 * down - column - 8 * across;
      if (below == 0) first += diagonal;
      if (below == 1) second += diagonal;
    }
    if (bias) {
      const int at = column + 8 * across;
      if (at < columns) first += to_float(bias[at]);
      if (at + 1 < columns) second += to_float(bias[at + 1]);
    }
    pair[0] = convert<T>(first), pair[1] = convert<T>(second);
    unsigned raw;
    memcpy(&raw, pair, 4);
    *place = raw;
  });
}

// A slice's sums, of the c[rows, columns] that remain from its tile on.
template <int side>
__device__ __forceinline__ void store_sums(const HalfSums<side>& sums, float* c, int64_t rows,
                                           int64_t columns, int64_t stride) {
  const int row = sums.first_row(), column = sums.first_column();
  const bool pairs = stride % 2 == 0;
  sums.each([&](int down, int across, float first, float second) {
    if (row + 8 * down >= rows || column + 8 * across >= columns) return;
    float* at = c + (row + 8 * down) * stride + column + 8 * across;
    if (pairs) {
      *reinterpret_cast<float2*>(at) = make_float2(first, second);
      return;
    }
    at[0] = first;
    if (column + 8 * across + 1 < columns) at[1] = second;
  });
}

}  // namespace orthokit::cuda
