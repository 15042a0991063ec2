// Tiles of attention on tensor cores, of 16-bit numbers with sums in f32. A warp has 16 rows of its
// block's 64; its scores stay in registers, where they are the left factor of what comes next.
#pragma once
#include "cuda/device/async.cuh"
#include "cuda/device/load.cuh"
#include "cuda/device/mma.cuh"
#include "cuda/device/reduce.cuh"
#include "cuda/kernels/network/shared/attention_work.cuh"

namespace orthokit::cuda {

// Two numbers as a word, rounded.
__device__ __forceinline__ unsigned halves_of(float low, float high, Half) {
  return narrow_pair(low, high, __half());
}
__device__ __forceinline__ unsigned halves_of(float low, float high, Bfloat16) {
  return narrow_pair(low, high, __nv_bfloat16());
}
__device__ __forceinline__ void multiply_halves(float (&d)[4], const unsigned (&a)[4],
                                                const unsigned (&b)[2], Half) {
  mma_f16_16816(d, a, b);
}
__device__ __forceinline__ void multiply_halves(float (&d)[4], const unsigned (&a)[4],
                                                const unsigned (&b)[2], Bfloat16) {
  mma_bf16_16816(d, a, b);
}

// `size`: of a head, or more; `owned`: tiles of the block's own.
template <class S, int size, int owned>
class HalfAttention {
 public:
  using Storage = S;
  using Number = float;
  static constexpr int kThreads = 128;
  static constexpr int kOwn = 64, kPassing = (size > 64 ? 32 : 64) / owned;
  static constexpr int kRows = 2, kColumns = kPassing / 4;
  static constexpr int kElements = size / 4;
  static constexpr int kBlocks = 2, kWideBlocks = 2;
  using Scores = float[kRows][kColumns];
  using Sums = float[kRows][kElements];
  static constexpr size_t kShared = (owned * kOwn + 2 * kPassing) * size * sizeof(S);
  static_assert(kShared <= kMostShared);

  __device__ __forceinline__ HalfAttention(void* memory, const AttentionWork<S>& work)
      : own_(static_cast<S*>(memory)),
        passing_(own_ + owned * kOwn * size),
        size_(int(work.h.size)),
        whole_(work.whole) {}

  // As an instruction leaves them: of each 16 × 8 a thread has two neighbours in two rows.
  static __device__ __forceinline__ int row(int i) {
    return int(threadIdx.x) / kWarp * 16 + int(threadIdx.x) % kWarp / 4 + 8 * i;
  }
  static __device__ __forceinline__ int column(int j) {
    return j / 2 * 8 + int(threadIdx.x) % 4 * 2 + j % 2;
  }
  static __device__ __forceinline__ int element(int k) { return column(k); }
  static __device__ __forceinline__ bool has_first_column() { return threadIdx.x % 4 == 0; }
  template <class R>
  static __device__ __forceinline__ float reduce(float v) {
#pragma unroll
    for (int lanes = 2; lanes; lanes >>= 1) v = R::combine(v, __shfl_xor_sync(kFullWarp, v, lanes));
    return v;
  }

  template <int slot>
  __device__ __forceinline__ void own(const HeadRows<S>& rows) {
    static_assert(slot < owned);
    fetch<kOwn>(rows, own_ + slot * kOwn * size);
  }
  template <int slot>
  __device__ __forceinline__ void pass(const HeadRows<S>& rows) {
    fetch<kPassing>(rows, passing_ + slot * kPassing * size);
  }
  // Before tiles are written over, and before new ones are read.
  __device__ __forceinline__ void release() { __syncthreads(); }
  __device__ __forceinline__ void settle() {
    cp_async_commit();
    cp_async_wait<0>();
    __syncthreads();
  }

  // scores = own · passingᵀ, or add to them.
  template <int own, int passing>
  __device__ __forceinline__ void score(Scores& scores, bool begins = true) {
    if (begins) {
#pragma unroll
      for (auto& line : scores)
#pragma unroll
        for (float& s : line) s = 0;
    }
    const S *a = own_ + own * kOwn * size, *b = passing_ + passing * kPassing * size;
    const int lane = int(threadIdx.x) % kWarp, warp = int(threadIdx.x) / kWarp, quarter = lane / 8;
#pragma unroll size> 64 ? 1 : 2
    for (int step = 0; step < size / 16; ++step) {
      unsigned left[4];
      load_matrices<false>(
          left, a + place(16 * warp + lane % 8 + quarter % 2 * 8, 2 * step + quarter / 2));
#pragma unroll
      for (int j = 0; j < kPassing / 16; ++j) {
        unsigned right[4];
        load_matrices<false>(
            right, b + place(16 * j + lane % 8 + quarter / 2 * 8, 2 * step + quarter % 2));
        multiply_pair(scores, j, left, right);
      }
    }
  }

  // sums += scores · passing.
  template <int passing>
  __device__ __forceinline__ void add(const Scores& scores, Sums& sums) {
    const S* b = passing_ + passing * kPassing * size;
    const int lane = int(threadIdx.x) % kWarp, quarter = lane / 8;
#pragma unroll
    for (int step = 0; step < kPassing / 16; ++step) {
      const int at = 4 * step;
      const unsigned left[4] = {halves_of(scores[0][at], scores[0][at + 1], S{}),
                                halves_of(scores[1][at], scores[1][at + 1], S{}),
                                halves_of(scores[0][at + 2], scores[0][at + 3], S{}),
                                halves_of(scores[1][at + 2], scores[1][at + 3], S{})};
#pragma unroll
      for (int j = 0; j < size / 16; ++j) {
        unsigned right[4];
        load_matrices<true>(right,
                            b + place(16 * step + lane % 8 + quarter % 2 * 8, 2 * j + quarter / 2));
        multiply_pair(sums, j, left, right);
      }
    }
  }

  // To a row in memory: value(sum, old), where nothing is old of a zero that no sum notices. All
  // threads call it: of four neighbours' pairs each gets those of a chunk, so that what is written
  // is whole sectors.
  template <class Value>
  __device__ __forceinline__ void write(const ResultRow<S>& row, const float (&sums)[kElements],
                                        const Value& value) const {
    const int lane = int(threadIdx.x) % 4;
#pragma unroll
    for (int first = 0; first < kElements; first += 8) {
      unsigned words[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int k = first + 2 * i, at = element(k);
        S pair[2] = {};
        if (row.old && row.exists) read_neighbours(row.old + at, size_ - at, whole_, pair);
        const auto old = [&](int v) { return row.old ? convert<float>(pair[v]) : -0.0f; };
        words[i] = halves_of(value(sums[k], old(0)), value(sums[k + 1], old(1)), S{});
        if (whole_ || !row.exists) continue;
        memcpy(pair, &words[i], sizeof pair);
        write_neighbours(row.to + at, size_ - at, false, pair);
      }
      if (!whole_) continue;
      transpose(words, lane);
      const int chunk = first / 2 + lane;
      if (row.exists && chunk * kChunk < size_)
        __stwb(reinterpret_cast<uint4*>(row.to + chunk * kChunk),
               make_uint4(words[0], words[1], words[2], words[3]));
    }
  }

 private:
  // Of four neighbouring lanes: word i of lane j becomes word j of lane i.
  static __device__ __forceinline__ void transpose(unsigned (&words)[4], int lane) {
#pragma unroll
    for (int step = 1; step <= 2; step *= 2) {
      const bool upper = lane & step;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        if (i & step) continue;
        unsigned &low = words[i], &high = words[i + step];
        const unsigned other = __shfl_xor_sync(kFullWarp, upper ? low : high, step);
        if (upper)
          low = other;
        else
          high = other;
      }
    }
  }

  static constexpr int kChunk = 8, kChunks = size / kChunk;  // 16 bytes; of a row

  // Chunks of a row change places by the row: no copies and no eight rows of a matrix share banks.
  static __device__ __forceinline__ int place(int row, int chunk) {
    const int by = kChunks == 4 ? row / 2 % 4 : row % 8;
    return row * size + (chunk ^ by) * kChunk;
  }
  template <int columns>
  static __device__ __forceinline__ void multiply_pair(float (&to)[2][columns], int j,
                                                       const unsigned (&left)[4],
                                                       const unsigned (&right)[4]) {
#pragma unroll
    for (int side = 0; side < 2; ++side) {
      const int at = 4 * j + 2 * side;
      float d[4] = {to[0][at], to[0][at + 1], to[1][at], to[1][at + 1]};
      const unsigned pair[2] = {right[2 * side], right[2 * side + 1]};
      multiply_halves(d, left, pair, S{});
      to[0][at] = d[0], to[0][at + 1] = d[1], to[1][at] = d[2], to[1][at + 1] = d[3];
    }
  }
  // Zeros follow the rows that exist, and each row's elements.
  template <int rows>
  __device__ __forceinline__ void fetch(const HeadRows<S>& from, S* to) const {
#pragma unroll size> 64 && owned> 1 ? 1 : 4  // registers are few where copies pass them
    for (int i = int(threadIdx.x); i < rows * kChunks; i += kThreads) {
      const int row = i / kChunks, chunk = i % kChunks, left = size_ - chunk * kChunk;
      const int some = row < from.rows && left > 0 ? left < kChunk ? left : kChunk : 0;
      const S* source = from.data + (some > 0 ? int64_t(row) * from.stride + chunk * kChunk : 0);
      S* target = to + place(row, chunk);
      if (whole_) {
        cp_async16(target, source, some * int(sizeof(S)));
      } else {
#pragma unroll 1
        for (int k = 0; k < kChunk; ++k) target[k] = k < some ? source[k] : S{};
      }
    }
  }

  S *own_, *passing_;
  int size_;
  bool whole_;
};

}  // namespace orthokit::cuda
