// Tiles of attention by plain products, in f32 or f64: both factors of the scores come to shared
// memory a few elements deep; then the scores lie there, and what they multiply comes a few rows at
// a time.
#pragma once
#include "cuda/device/fused.cuh"
#include "cuda/device/load.cuh"
#include "cuda/device/reduce.cuh"
#include "cuda/kernels/network/shared/attention_work.cuh"
#include "cuda/tile.cuh"

namespace orthokit::cuda {

// `size`: of a head, or more.
template <class S, class T, int size>
class PlainAttention {
 public:
  using Storage = S;
  using Number = T;
  static constexpr int kThreads = 256;  // 16 × 16
  static constexpr int kVector = 16 / sizeof(T);
  // Scores of a thread: fewer where it has many sums.
  static constexpr int kRows = size > 128 ? 2 : kVector, kColumns = size > 128 ? 2 : 4;
  static constexpr int kOwn = 16 * kRows, kPassing = 16 * kColumns;
  static constexpr int kElements = size / 16;  // of a row of sums, a thread's
  static constexpr int kBlocks = size <= 64 && sizeof(T) == 4 ? 2 : 1, kWideBlocks = 1;
  using Scores = T[kRows][kColumns];
  using Sums = T[kRows][kElements];

 private:
  // Elements that a thread has at once, of `count` in its part of a row.
  template <int count>
  static constexpr int kTogether = count < kVector ? count : kVector;
  static constexpr int kDepth = 16;
  static constexpr int kPair = sizeof(S) == 2 ? 2 : 1;  // elements of a word, or one
  static constexpr int kPad = kPair == 2 ? 2 : kVector;
  static constexpr int kOwnPitch = kOwn + kPad, kPassingPitch = kPassing + kPad;
  static constexpr int kScorePitch = kPassing + kVector;
  static constexpr int kScoreElements = kOwn * kScorePitch;
  static constexpr int kLines =
      16384 / int(sizeof(T)) / size < 16 ? 16384 / int(sizeof(T)) / size : 16;
  static constexpr int kStageElements = kDepth * (kOwnPitch + kPassingPitch) > kLines* size
                                            ? kDepth*(kOwnPitch + kPassingPitch)
                                            : kLines* size;
  static_assert(kPassing % kLines == 0);

 public:
  static constexpr size_t kShared = (kScoreElements + kStageElements) * sizeof(T);
  static_assert(kShared <= kMostShared);

  __device__ __forceinline__ PlainAttention(void* memory, const AttentionWork<S>& work)
      : scores_(static_cast<T*>(memory)),
        stage_(scores_ + kScoreElements),
        size_(int(work.h.size)),
        whole_(work.whole) {}

  // Of a tile: a thread's i-th row of scores, its j-th column, its k-th element of a row of sums.
  static __device__ __forceinline__ int row(int i) { return kRows * my_row() + i; }
  static __device__ __forceinline__ int column(int j) { return place<kColumns>(j); }
  static __device__ __forceinline__ int element(int k) { return place<kElements>(k); }
  static __device__ __forceinline__ bool has_first_column() { return my_column() == 0; }
  // Over the threads that share a row.
  template <class R>
  static __device__ __forceinline__ T reduce(T v) {
#pragma unroll
    for (int lanes = 8; lanes; lanes >>= 1) v = R::combine(v, __shfl_xor_sync(kFullWarp, v, lanes));
    return v;
  }

  template <int slot>
  __device__ __forceinline__ void own(const HeadRows<S>& rows) {
    own_[slot] = rows;
  }
  template <int slot>
  __device__ __forceinline__ void pass(const HeadRows<S>& rows) {
    passing_[slot] = rows;
  }
  __device__ __forceinline__ void release() {}
  __device__ __forceinline__ void settle() {}

  // scores = own · passingᵀ, or add to them.
  template <int own, int passing>
  __device__ __forceinline__ void score(Scores& scores, bool begins = true) {
    if (begins) {
#pragma unroll
      for (auto& line : scores)
#pragma unroll
        for (T& s : line) s = 0;
    }
    T *a = stage_, *b = stage_ + kDepth * kOwnPitch;
#pragma unroll 1
    for (int at = 0; at < size_; at += kDepth) {
      __syncthreads();  // the stage before is read no more
      fetch<kOwn, kOwnPitch>(own_[own], at, a);
      fetch<kPassing, kPassingPitch>(passing_[passing], at, b);
      __syncthreads();  // the stage is complete
#pragma unroll 4
      for (int k = 0; k < kDepth; ++k) {
        T left[kRows], right[kColumns];
        load<kRows>(a + k * kOwnPitch + kRows * my_row(), left);
        load_places<kColumns>(b + k * kPassingPitch, right);
#pragma unroll
        for (int i = 0; i < kRows; ++i)
#pragma unroll
          for (int j = 0; j < kColumns; ++j) scores[i][j] = fused(left[i], right[j], scores[i][j]);
      }
    }
  }

  // sums += scores · passing.
  template <int passing>
  __device__ __forceinline__ void add(const Scores& scores, Sums& sums) {
    __syncthreads();  // the scores before are read no more
#pragma unroll
    for (int i = 0; i < kRows; ++i)
      store_places<kColumns>(scores_ + row(i) * kScorePitch, scores[i]);
#pragma unroll 1
    for (int at = 0; at < kPassing; at += kLines) {
      __syncthreads();  // the stage before is read no more
      fetch_lines(passing_[passing], at);
      __syncthreads();  // stage and scores are complete
#pragma unroll kElements < 8 ? 2 : 1
      for (int k = 0; k < kLines; k += kVector) {
        T left[kRows][kVector];
#pragma unroll
        for (int i = 0; i < kRows; ++i)
          load<kVector>(scores_ + row(i) * kScorePitch + at + k, left[i]);
#pragma unroll
        for (int v = 0; v < kVector; ++v) {
          T right[kElements];
          load_places<kElements>(stage_ + (k + v) * size, right);
#pragma unroll
          for (int i = 0; i < kRows; ++i)
#pragma unroll
            for (int j = 0; j < kElements; ++j)
              sums[i][j] = fused(left[i][v], right[j], sums[i][j]);
        }
      }
    }
  }

  // To a row in memory: value(sum, old), where nothing is old of a zero that no sum notices.
  template <class Value>
  __device__ __forceinline__ void write(const ResultRow<S>& row, const T (&sums)[kElements],
                                        const Value& value) const {
    constexpr int kV = kTogether<kElements>;
    if (!row.exists) return;
#pragma unroll
    for (int k = 0; k < kElements; k += kV) {
      const int at = element(k);
      S some[kV] = {};
      if (row.old) read_neighbours(row.old + at, size_ - at, whole_, some);
#pragma unroll
      for (int v = 0; v < kV; ++v)
        some[v] = convert<S>(value(sums[k + v], row.old ? convert<T>(some[v]) : T(-0.0)));
      write_neighbours(row.to + at, size_ - at, whole_, some);
    }
  }

 private:
  static __device__ __forceinline__ int my_row() { return int(threadIdx.x) / 16; }
  static __device__ __forceinline__ int my_column() { return int(threadIdx.x) % 16; }
  template <int count>
  static __device__ __forceinline__ int place(int j) {
    constexpr int kV = kTogether<count>;
    return kV * my_column() + j % kV + 16 * kV * (j / kV);
  }
  template <int n>
  static __device__ __forceinline__ void load(const T* from, T (&out)[n]) {
    const auto raw = *reinterpret_cast<const CopyWord<n* int(sizeof(T))>*>(from);
    memcpy(out, &raw, sizeof out);
  }
  template <int count>
  static __device__ __forceinline__ void load_places(const T* line, T (&out)[count]) {
    constexpr int kV = kTogether<count>;
#pragma unroll
    for (int j = 0; j < count; j += kV) {
      T some[kV];
      load<kV>(line + place<count>(j), some);
#pragma unroll
      for (int v = 0; v < kV; ++v) out[j + v] = some[v];
    }
  }
  template <int count>
  static __device__ __forceinline__ void store_places(T* line, const T (&values)[count]) {
    constexpr int kV = kTogether<count>;
#pragma unroll
    for (int j = 0; j < count; j += kV) {
      CopyWord<kV* int(sizeof(T))> raw;
      memcpy(&raw, values + j, sizeof raw);
      *reinterpret_cast<CopyWord<kV* int(sizeof(T))>*>(line + place<count>(j)) = raw;
    }
  }

  // kDepth elements of all rows, transposed. A warp takes 8 words of 4 rows: whole sectors, and in
  // shared memory a bank each.
  template <int rows, int pitch>
  __device__ __forceinline__ void fetch(const HeadRows<S>& from, int at, T* to) const {
    const int k = int(threadIdx.x) % 8 * kPair, first = int(threadIdx.x) / 8;
#pragma unroll
    for (int row = first; row < rows; row += kThreads / 8)
#pragma unroll
      for (int part = k; part < kDepth; part += 8 * kPair) {
        S some[kPair] = {};
        if (row < from.rows)
          read_neighbours(from.data + int64_t(row) * from.stride + at + part, size_ - at - part,
                          whole_, some);
#pragma unroll
        for (int v = 0; v < kPair; ++v) to[(part + v) * pitch + row] = convert<T>(some[v]);
      }
  }
  // kLines whole rows.
  __device__ __forceinline__ void fetch_lines(const HeadRows<S>& from, int at) {
#pragma unroll 4
    for (int i = int(threadIdx.x); i < kLines * size; i += kThreads) {
      const int row = at + i / size, element = i % size;
      stage_[i] = row < from.rows && element < size_
                      ? convert<T>(from.data[int64_t(row) * from.stride + element])
                      : T(0);
    }
  }

  T *scores_, *stage_;
  int size_;
  bool whole_;
  HeadRows<S> own_[2], passing_[2];
};

}  // namespace orthokit::cuda
