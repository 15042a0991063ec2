// Tiles of a matrix of packed codes in shared memory, as products of many rows read them. A tile of
// a · wᵀ has codes in f16, which holds all of them exactly, beside the scales of some groups: each
// number is code · scale where it is read. In a · w each element of the inner side has scales of
// its own, and a tile has code · scale in f32.
#pragma once
#include "cuda/device/load.cuh"
#include "cuda/device/reduce.cuh"
#include "cuda/kernels/quantized/shared/codes.cuh"

namespace orthokit::cuda {

inline constexpr int kManyThreads = 256, kManySide = 64;
// Elements of the inner side in shared memory.
inline constexpr int kManyDepth = 64;
// A line of a tile in shared memory: whole vectors of four, and banks move on from line to line.
inline constexpr int kManyLine = kManySide + 4;

// A thread unpacks a lane of each of `kWords` neighbouring rows of w, `kCodes` codes of each. Half
// of a block is half of the codes of all lanes in a · wᵀ, all codes of half of them in a · w.
template <bool forward>
struct ManyShare {
  static constexpr int kLanes = forward ? math::kCodeLanes : math::kCodeLanes / 2;
  static constexpr int kWords = kManySide * kLanes / kManyThreads, kCodes = kManySide / kLanes;
  static __device__ __forceinline__ int lane() { return int(threadIdx.x) % kLanes; }
  static __device__ __forceinline__ int line() { return int(threadIdx.x) / kLanes * kWords; }
};

template <bool forward>
struct ManyTile {
  alignas(16) float left[kManyDepth][kManyLine];   // element k of the rows of a, side by side
  alignas(16) float right[kManyDepth][kManyLine];  // element k of the columns of w
};

inline constexpr int kManyGroups = math::kCodeLanes;
template <>
struct ManyTile<true> {
  alignas(16) float left[kManyDepth][kManyLine];
  uint64_t right[kManyDepth][kManyLine / 4];  // code k of four rows of w
  alignas(16) float scales[kManyGroups][kManyLine];
};

// The lane of a block of a row of w, 0 where it is not there.
template <int bits>
__device__ __forceinline__ CodeLane<bits> many_word(const GroupedRows& w, int64_t row,
                                                    int64_t block, int lane) {
  const bool is_there = row < w.size.rows && block * math::kBlockCodes < w.size.row.columns;
  return is_there ? CodeLane<bits>(lane_of<bits>(w, row, block, lane)) : 0;
}

// The scale of a group of a row of w, 0 where it is not there.
__device__ __forceinline__ float many_scale(const GroupedRows& w, int64_t row, int64_t group) {
  return row < w.size.rows && group < w.size.groups ? w.scales_of(row)[group] : 0;
}

// Columns of a · wᵀ: 64 rows of w, of which a tile has half of a block of codes. Both halves follow
// each other, so that codes are read once.
template <int bits>
class ManyForth {
 public:
  using Share = ManyShare<true>;
  __device__ ManyForth(const GroupedRows& w, int64_t tile)
      : row_(tile * kManySide), left_(int(w.size.group)) {}

  __device__ __forceinline__ void unpack(const GroupedRows& w, int64_t k, ManyTile<true>& tile) {
    if (k % math::kBlockCodes == 0) {
#pragma unroll
      for (int i = 0; i < Share::kWords; ++i)
        words_[i] =
            many_word<bits>(w, row_ + Share::line() + i, k / math::kBlockCodes, Share::lane());
    } else {
#pragma unroll
      for (auto& word : words_) word >>= bits * Share::kCodes;
    }
#pragma unroll
    for (int h = 0; h < Share::kCodes; ++h) {
      const int place = h * Share::kLanes + Share::lane();
      const bool is_there = k + place < w.size.row.columns;
      float codes[Share::kWords];
#pragma unroll
      for (int i = 0; i < Share::kWords; ++i)
        codes[i] = is_there ? number_of<bits>(words_[i], h) : 0;
      tile.right[place][Share::line() / 4] = narrow_pair(codes[0], codes[1], __half()) |
                                             uint64_t(narrow_pair(codes[2], codes[3], __half()))
                                                 << 32;
    }
    const int64_t end = min(k + kManyDepth, w.size.row.columns);
    if (end > held_ * w.size.group) hold(w, tile);
  }

  // step(k, y) for each element of the tile: its numbers for four columns from `column` on.
  template <class Step>
  __device__ __forceinline__ void each(const GroupedRows& w, const ManyTile<true>& tile, int column,
                                       Step&& step) {
    for (int k = 0; k < kManyDepth;) {
      const int end = left_ < kManyDepth - k ? k + left_ : kManyDepth;
      float scales[4];
      if (group_ < held_) {
        Vec<float>::load(&tile.scales[group_ - held_ + kManyGroups][column], scales);
      } else {  // of very small groups
#pragma unroll
        for (int j = 0; j < 4; ++j) scales[j] = many_scale(w, row_ + column + j, group_);
      }
      left_ -= end - k;
      if (left_ == 0) ++group_, left_ = int(w.size.group);
#pragma unroll 8
      for (; k < end; ++k) {
        const uint64_t codes = tile.right[k][column / 4];
        const float2 low = widen_pair(unsigned(codes), __half()),
                     high = widen_pair(unsigned(codes >> 32), __half());
        step(k, {low.x * scales[0], low.y * scales[1], high.x * scales[2], high.y * scales[3]});
      }
    }
  }
  // Of a row of c, the column that is `column` of the tile.
  __device__ __forceinline__ int64_t column_of(int column) const { return row_ + column; }

 private:
  // Scales from the group on that comes next.
  __device__ __forceinline__ void hold(const GroupedRows& w, ManyTile<true>& tile) {
    held_ = group_ + kManyGroups;
    float scales[4];
#pragma unroll
    for (int i = 0; i < 4; ++i)
      scales[i] = many_scale(w, row_ + Share::line() + i, group_ + Share::lane());
    Vec<float>::store(&tile.scales[Share::lane()][Share::line()], scales);
  }
  int64_t row_;
  CodeLane<bits> words_[Share::kWords];
  int group_ = 0, left_;  // the group of the element that comes next, and elements left of it
  int held_ = 0;          // the group behind those in shared memory
};

// Columns of a · w: the elements of eight lanes of a block of codes, so that codes are read once.
template <int bits>
class ManyBack {
 public:
  using Share = ManyShare<false>;
  __device__ ManyBack(const GroupedRows& w, int64_t tile)
      : block_(tile / 2), first_lane_(int(tile % 2) * Share::kLanes) {
    first_ = begin() / w.size.group;
    int64_t rest = begin() - first_ * w.size.group + Share::lane();
    int group = 0;
#pragma unroll
    for (int h = 0; h < Share::kCodes; ++h, rest += math::kCodeLanes) {
      while (rest >= w.size.group) rest -= w.size.group, ++group;
      groups_[h] = group;
    }
    const int last = __shfl_sync(kFullWarp, group, Share::kLanes - 1, Share::kLanes);
    held_ = last < Share::kLanes ? last + 1 : 0;
  }

  __device__ __forceinline__ void unpack(const GroupedRows& w, int64_t k, ManyTile<false>& tile) {
#pragma unroll
    for (int i = 0; i < Share::kWords; ++i) {
      const int line = Share::line() + i;
      const int64_t row = k + line;
      const auto word = many_word<bits>(w, row, block_, first_lane_ + Share::lane());
      // A lane has the scale of a group, if there are no more groups than lanes.
      const float own = Share::lane() < held_ ? many_scale(w, row, first_ + Share::lane()) : 0;
#pragma unroll
      for (int h = 0; h < Share::kCodes; ++h) {
        const float scale = held_ > 0 ? __shfl_sync(kFullWarp, own, groups_[h], Share::kLanes)
                                      : many_scale(w, row, first_ + groups_[h]);
        const bool is_there = begin() + h * math::kCodeLanes + Share::lane() < w.size.row.columns;
        tile.right[line][h * Share::kLanes + Share::lane()] =
            is_there ? number_of<bits>(word, h) * scale : 0;
      }
    }
  }

  template <class Step>
  __device__ __forceinline__ void each(const GroupedRows&, const ManyTile<false>& tile, int column,
                                       Step&& step) {
#pragma unroll 8
    for (int k = 0; k < kManyDepth; ++k) {
      float y[4];
      Vec<float>::load(&tile.right[k][column], y);
      step(k, y);
    }
  }
  __device__ __forceinline__ int64_t column_of(int column) const {
    return begin() + column / Share::kLanes * math::kCodeLanes + column % Share::kLanes;
  }

 private:
  __device__ __forceinline__ int64_t begin() const {
    return block_ * math::kBlockCodes + first_lane_;
  }
  int64_t block_;
  int first_lane_;
  int64_t first_;              // the first element's group
  int groups_[Share::kCodes];  // those of the thread's elements, counted from there
  int held_;                   // groups whose scales lanes have, or 0
};

}  // namespace orthokit::cuda
