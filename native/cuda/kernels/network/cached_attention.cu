#include "cuda/device/fused.cuh"
#include "cuda/device/reduce.cuh"
#include "cuda/kernels/network/shared/attention_work.cuh"
#include "cuda/matrix.cuh"
#include "cuda/tile.cuh"
#include "ops/network/cached_attention.h"

namespace orthokit::cuda {

// The new places of streams, on the device.
struct StreamPlaces {
  const int32_t *positions, *lengths;
  int places;
  __device__ __forceinline__ NewPlaces of(int64_t b) const {
    return new_places(positions[b], lengths ? lengths + b : nullptr, places);
  }
};

struct NextPositions {
  StreamPlaces places;
  int32_t* next;
  template <int N>
  __device__ void operator()(int64_t, int64_t at) const {
    for (int64_t b = at; b < at + N; ++b) next[b] = places.of(b).end();
  }
};

template <class S>
struct CacheWork {
  AttentionHeads h;
  StreamPlaces places;
  int room, size;
  const S* qkv;
  S *keys, *values, *out;
};

// A block has a head of keys and values of a stream, and takes the new places one after the other:
// a thread a key of the cache, then a thread an element, or several threads with parts of the keys.
template <class S, class T>
class CachedHead {
 public:
  static constexpr int kThreads = 128;
  static constexpr int kElements = kMostHeadSize / kThreads;  // of a thread
  struct Shared {
    T query[kMostHeadSize], weights[kThreads], parts[kThreads];
  };

  __device__ CachedHead(const CacheWork<S>& work, Shared& shared, int64_t pair)
      : w_(work),
        shared_(shared),
        b_(pair / w_.h.kv_heads),
        kv_head_(int(pair % w_.h.kv_heads)),
        columns_(w_.size <= 32   ? 32
                 : w_.size <= 64 ? 64
                                 : kThreads),
        keys_(w_.keys + pair * w_.size * w_.room),
        values_(w_.values + pair * w_.size * w_.room) {}

  __device__ void run() const {
    const NewPlaces places = w_.places.of(b_);
    const int64_t stride = (w_.h.heads + 2 * w_.h.kv_heads) * w_.size;
    const int count = int(places.count), group = int(w_.h.heads / w_.h.kv_heads);
    const S* place = w_.qkv + b_ * w_.h.queries * stride;
    S* out = w_.out + b_ * w_.h.queries * w_.h.heads * w_.size;
    for (int i = 0; i < (w_.out ? w_.places.places : count); ++i, place += stride) {
      if (i < count) append(place, int(places.slot(i, w_.room)));
      if (!w_.out) continue;
      __syncthreads();  // the cache is complete
      const int seen = int(places.seen(i, w_.room));
      for (int k = 0; k < group; ++k) {
        const int at = (kv_head_ * group + k) * w_.size;
        attend(place + at, seen, out + i * w_.h.heads * w_.size + at);
      }
    }
  }

 private:
  __device__ __forceinline__ void append(const S* place, int slot) const {
    const S* key = place + (w_.h.heads + kv_head_) * w_.size;
    for (int c = int(threadIdx.x); c < w_.size; c += kThreads) {
      keys_[int64_t(c) * w_.room + slot] = key[c];
      values_[int64_t(slot) * w_.size + c] = key[w_.h.kv_heads * w_.size + c];
    }
  }

  __device__ __forceinline__ void attend(const S* query, int seen, S* out) const {
    const int thread = int(threadIdx.x);
    const T factor = T(w_.h.scale * std::numbers::log2e);
    for (int c = thread; c < w_.size; c += kThreads)
      shared_.query[c] = convert<T>(query[c]) * factor;
    __syncthreads();  // the query is complete
    T max = std::numeric_limits<T>::lowest(), total = 0, sums[kElements] = {};
#pragma unroll 1
    for (int at = 0; at < seen; at += kThreads) {
      const bool sees = at + thread < seen;
      const T score = sees ? score_of(at + thread) : -std::numeric_limits<T>::infinity();
      const T most = Max::combine(max, block_reduce<Max>(score));
      const T p = sees ? power_of_two(score - most) : T(0), before = power_of_two(max - most);
      max = most, total = fused(total, before, p);
      shared_.weights[thread] = p;
      __syncthreads();  // the weights are complete
#pragma unroll
      for (T& sum : sums) sum *= before;
      add(at, seen - at < kThreads ? seen - at : kThreads, sums);
    }
    total = block_reduce<Sum>(total);
#pragma unroll
    for (int e = 0; e < kElements; ++e) {
      const int element = thread % columns_ + e * kThreads;
      if (e * kThreads >= w_.size) continue;
      const T sum = sum_of_parts(sums[e]);
      if (thread < columns_ && element < w_.size)
        out[element] = convert<S>(seen > 0 ? sum / total : T(0));
    }
  }

  __device__ __forceinline__ T score_of(int slot) const {
    T score = 0;
    const S* key = keys_ + slot;
#pragma unroll 4
    for (int c = 0; c < w_.size; ++c, key += w_.room)
      score = fused(shared_.query[c], convert<T>(*key), score);
    return score;
  }

  __device__ __forceinline__ void add(int at, int count, T (&sums)[kElements]) const {
    const int column = int(threadIdx.x) % columns_, parts = kThreads / columns_;
    for (int k = int(threadIdx.x) / columns_; k < count; k += parts) {
      const S* value = values_ + int64_t(at + k) * w_.size;
#pragma unroll
      for (int e = 0; e < kElements; ++e)
        if (column + e * kThreads < w_.size)
          sums[e] = fused(shared_.weights[k], convert<T>(value[column + e * kThreads]), sums[e]);
    }
  }

  // Over the threads of one element; the first of them gets it.
  __device__ __forceinline__ T sum_of_parts(T sum) const {
    if (columns_ == kThreads) return sum;
    shared_.parts[threadIdx.x] = sum;
    __syncthreads();  // the parts are complete
    for (int at = int(threadIdx.x) + columns_; at < kThreads; at += columns_)
      sum += shared_.parts[at];
    return sum;
  }

  const CacheWork<S>& w_;
  Shared& shared_;
  const int64_t b_;
  const int kv_head_, columns_;
  S *const keys_, *const values_;
};

template <class S, class T>
__global__ void __launch_bounds__(128, 4)
    cached_attention_kernel(CacheWork<S> work, int64_t pairs) {
  __shared__ typename CachedHead<S, T>::Shared shared;
  for (int64_t pair = blockIdx.x; pair < pairs; pair += gridDim.x) {
    CachedHead<S, T>(work, shared, pair).run();
    __syncthreads();  // shared memory is read no more
  }
}

template <class S, class T>
static void run_heads(const CachedAttention& op, const StreamPlaces& places, Stream& stream) {
  const AttentionHeads h = op.places();
  const int64_t pairs = h.batch * h.kv_heads;
  launch(stream, cached_attention_kernel<S, T>, {blocks_for(pairs), CachedHead<S, T>::kThreads},
         CacheWork<S>{h, places, int(op.room()), int(h.size), op.qkv.as<S>(), op.keys.as<S>(),
                      op.values.as<S>(), op.out.as<S>()},
         pairs);
}

static void cached_attention(const CachedAttention& op, Stream& stream) {
  const StreamPlaces places{op.positions.as<int32_t>(), op.lengths.as<int32_t>(),
                            int(op.qkv.shape[1])};
  if (op.qkv.shape[0] > 0 && op.qkv.shape[1] > 0) {
    if (orthokit::is_half(op.qkv.dtype))
      visit_half(op.qkv.dtype, [&]<class S>() { run_heads<S, float>(op, places, stream); });
    else
      visit(op.qkv.dtype, [&]<class T>() { run_heads<T, T>(op, places, stream); });
  }
  if (op.next) for_matrix(stream, 1, op.next.size(), NextPositions{places, op.next.as<int32_t>()});
}
ORTHOKIT_KERNEL(CachedAttention, cached_attention);

}  // namespace orthokit::cuda
