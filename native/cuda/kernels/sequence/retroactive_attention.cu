#include "cuda/device/fused.cuh"
#include "cuda/device/reduce.cuh"
#include "cuda/kernels/network/shared/attention_work.cuh"
#include "cuda/matrix.cuh"
#include "ops/sequence/retroactive_attention.h"

namespace orthokit::cuda {

template <class T>
struct WindowWork {
  int64_t heads;
  int room, size;
  bool refresh;
  T factor;
  const int32_t* positions;
  const T *q, *k, *v;
  T *queries, *keys, *values, *sums, *out;
  int32_t* recomputed;
};

struct NextPlaces {
  const int32_t* positions;
  int32_t* next;
  template <int N>
  __device__ void operator()(int64_t, int64_t at) const {
    for (int64_t b = at; b < at + N; ++b) next[b] = MovingWindow(positions[b], 1).end();
  }
};

// A block has a head of a stream, and each of its warps every fourth row; a lane has each
// thirty-second element.
template <class T>
class WindowHead {
 public:
  static constexpr int kThreads = 128, kWarps = kThreads / 32;
  static constexpr int kElements = kMostHeadSize / 32;  // of a lane
  struct Shared {
    T key[kMostHeadSize], value[kMostHeadSize];  // those that go
    int counts[kWarps];
  };

  __device__ WindowHead(const WindowWork<T>& work, Shared& shared, int64_t pair)
      : w_(work),
        shared_(shared),
        window_(work.positions[pair / work.heads], work.room),
        pair_(pair),
        slot_(int(window_.slot())),
        seen_(int(window_.seen())),
        lane_(int(threadIdx.x) % 32),
        queries_(work.queries + pair * work.room * work.size),
        keys_(work.keys + pair * work.room * work.size),
        values_(work.values + pair * work.room * work.size) {}

  __device__ void run() const {
    const int warp = int(threadIdx.x) / 32;
    replace();
    __syncthreads();  // the window is complete
    int count = 0;
    for (int row = warp; row < w_.room; row += kWarps) {
      if (row >= seen_) {
        write(row, T(0), nullptr);
        continue;
      }
      T a[kElements], numbers[RetroactiveAttention::kNumbers];
      if (row == slot_ || !move(row, a, numbers)) {
        sum(row, a, numbers);
        ++count;
      }
      keep(row, a, numbers);
    }
    if (!w_.recomputed) return;
    if (lane_ == 0) shared_.counts[warp] = count;
    __syncthreads();  // the counts are complete
    if (threadIdx.x != 0) return;
    for (int i = 1; i < kWarps; ++i) count += shared_.counts[i];
    w_.recomputed[pair_] = count;
  }

 private:
  __device__ __forceinline__ void replace() const {
    const int64_t from = pair_ * w_.size, at = int64_t(slot_) * w_.size;
    for (int c = int(threadIdx.x); c < w_.size; c += kThreads) {
      shared_.key[c] = keys_[at + c], shared_.value[c] = values_[at + c];
      keys_[at + c] = w_.k[from + c], values_[at + c] = w_.v[from + c];
      queries_[at + c] = w_.factor * w_.q[from + c];
    }
  }

  template <class F>
  __device__ __forceinline__ void for_elements(F&& f) const {
#pragma unroll
    for (int e = 0; e < kElements; ++e)
      if (lane_ + 32 * e < w_.size) f(e, lane_ + 32 * e);
  }
  __device__ __forceinline__ T score(const T* query, const T* key) const {
    T sum = 0;
    for_elements([&](int, int c) { sum = fused(query[c], key[c], sum); });
    return warp_reduce<Sum>(sum);
  }

  // False where the row must be summed anew. All lanes go the same way: they have the same numbers.
  __device__ bool move(int row, T (&a)[kElements],
                       T (&numbers)[RetroactiveAttention::kNumbers]) const {
    if (w_.refresh) return false;
    const T* query = queries_ + int64_t(row) * w_.size;
    const T* old = sums(row);
    const T offset = old[w_.size], most = old[w_.size + 2], peak = old[w_.size + 3];
    const T above = score(query, keys_ + int64_t(slot_) * w_.size) - offset;
    if (!(above <= T(RetroactiveAttention::kMostAbove))) return false;
    const bool full = window_.is_full();
    const T comes = power_of_two(above);
    const T goes = full ? power_of_two(score(query, shared_.key) - offset) : T(0);
    const T total = old[w_.size + 1] + comes - goes;
    if (!(total >= T(RetroactiveAttention::kLeastShare) * most) || !(total - total == 0))
      return false;
    T check = 0;  // NaN where an element is not finite
    for_elements([&](int e, int c) {
      a[e] = fused(comes, values_[int64_t(slot_) * w_.size + c], old[c]);
      if (full) a[e] = fused(-goes, shared_.value[c], a[e]);
      check = fused(a[e], T(0), check);
    });
    const T largest = largest_of(a);
    numbers[0] = offset, numbers[1] = total, numbers[2] = Max::combine(most, total);
    numbers[3] = Max::combine(peak, largest);
    return warp_reduce<Sum>(check) == 0 && largest >= T(RetroactiveAttention::kLeastShare) * peak;
  }

  __device__ void sum(int row, T (&a)[kElements],
                      T (&numbers)[RetroactiveAttention::kNumbers]) const {
    const T* query = queries_ + int64_t(row) * w_.size;
    T most = std::numeric_limits<T>::lowest(), total = 0;
#pragma unroll
    for (T& x : a) x = 0;
    for (int j = 0; j < seen_; ++j) {
      const T found = score(query, keys_ + int64_t(j) * w_.size);
      const T larger = Max::combine(most, found), before = power_of_two(most - larger);
      const T weight = power_of_two(found - larger);
      most = larger, total = fused(total, before, weight);
      for_elements([&](int e, int c) {
        a[e] = fused(weight, values_[int64_t(j) * w_.size + c], a[e] * before);
      });
    }
    numbers[0] = most, numbers[1] = numbers[2] = total, numbers[3] = largest_of(a);
  }
  __device__ __forceinline__ T largest_of(const T (&a)[kElements]) const {
    T largest = 0;
    for_elements([&](int e, int) { largest = Max::combine(largest, Max::combine(a[e], -a[e])); });
    return warp_reduce<Max>(largest);
  }

  __device__ __forceinline__ T* sums(int row) const {
    return w_.sums + (pair_ * w_.room + row) * (w_.size + RetroactiveAttention::kNumbers);
  }
  __device__ __forceinline__ void keep(int row, const T (&a)[kElements],
                                       const T (&numbers)[RetroactiveAttention::kNumbers]) const {
    T* to = sums(row);
    for_elements([&](int e, int c) { to[c] = a[e]; });
    if (lane_ < RetroactiveAttention::kNumbers) {
      T own = numbers[0];
#pragma unroll
      for (int i = 1; i < RetroactiveAttention::kNumbers; ++i)
        if (lane_ == i) own = numbers[i];
      to[w_.size + lane_] = own;
    }
    write(int(window_.column(row)), T(1) / numbers[1], a);
  }
  __device__ __forceinline__ void write(int column, T factor, const T* a) const {
    if (!w_.out) return;
    for_elements([&](int e, int c) {
      w_.out[(pair_ * w_.size + c) * w_.room + column] = a ? factor * a[e] : T(0);
    });
  }

  const WindowWork<T>& w_;
  Shared& shared_;
  const MovingWindow window_;
  const int64_t pair_;
  const int slot_, seen_, lane_;
  T *const queries_, *const keys_, *const values_;
};

template <class T>
__global__ void __launch_bounds__(128, 4) retroactive_kernel(WindowWork<T> work, int64_t pairs) {
  __shared__ typename WindowHead<T>::Shared shared;
  for (int64_t pair = blockIdx.x; pair < pairs; pair += gridDim.x) {
    WindowHead<T>(work, shared, pair).run();
    __syncthreads();  // shared memory is read no more
  }
}

template <class T>
static void run_windows(const RetroactiveAttention& op, Stream& stream) {
  const int64_t pairs = op.streams() * op.heads;
  if (pairs == 0) return;
  launch(stream, retroactive_kernel<T>, {blocks_for(pairs), WindowHead<T>::kThreads},
         WindowWork<T>{op.heads, int(op.room()), int(op.size()), op.refresh == 1, T(op.factor()),
                       op.positions.as<int32_t>(), op.q.as<T>(), op.k.as<T>(), op.v.as<T>(),
                       op.queries.as<T>(), op.keys.as<T>(), op.values.as<T>(), op.sums.as<T>(),
                       op.out.as<T>(), op.recomputed.as<int32_t>()},
         pairs);
}

static void retroactive_attention(const RetroactiveAttention& op, Stream& stream) {
  visit(op.q.dtype, [&]<class T>() { run_windows<T>(op, stream); });
  if (op.next)
    for_matrix(stream, 1, op.next.size(),
               NextPlaces{op.positions.as<int32_t>(), op.next.as<int32_t>()});
}
ORTHOKIT_KERNEL(RetroactiveAttention, retroactive_attention);

}  // namespace orthokit::cuda
