#include "cuda/kernels/reductions/shared/select.cuh"
#include "cuda/sort.cuh"
#include "ops/reductions/top_k.h"

namespace orthokit::cuda {
namespace {

// Elements above the k-th key and of it, of one piece at most: both in one number.
inline constexpr int kEqualShift = 16;
inline constexpr int kEqualOne = 1 << kEqualShift, kAboveMask = kEqualOne - 1;
static_assert(kPiece < kEqualOne, "a count of a piece has its place");

template <class Key>
__device__ __forceinline__ int counts_as(Key key, Key found) {
  return key > found ? 1 : key == found ? kEqualOne : 0;
}

template <class T, class Order>
struct CountTaken {
  Order order;
  const Operand* x;
  const SelectState* state;
  int64_t *above, *equal;  // of each piece
  __device__ void operator()(const Piece& piece) const {
    using Key = math::SizeKey<T>;
    const Key found = Key(state->found);
    int counted = 0;
    for_vectors(piece, [&](int64_t at, int n) {
      T values[kVector];
      load(x[0], at, n, values);
#pragma unroll
      for (int i = 0; i < kVector; ++i) counted += i < n ? counts_as(order(values[i]), found) : 0;
    });
    counted = block_reduce<Sum>(counted);
    if (threadIdx.x > 0) return;
    above[piece.index] = counted & kAboveMask;
    equal[piece.index] = counted >> kEqualShift;
  }
};

// A warp each: the counts of a piece become those of the pieces before it.
__global__ void __launch_bounds__(2 * kWarp)
    scan_taken_kernel(int64_t pieces, int64_t* above, int64_t* equal) {
  const int lane = int(threadIdx.x) % kWarp;
  int64_t* const counts = threadIdx.x < kWarp ? above : equal;
  int64_t before = 0;
  for (int64_t first = 0; first < pieces; first += kWarp) {
    const int64_t at = first + lane, here = at < pieces ? counts[at] : 0;
    const int64_t through = warp_scan(here, lane);
    if (at < pieces) counts[at] = before + through - here;
    before += __shfl_sync(kFullWarp, through, kWarp - 1);
  }
}

// Elements above the k-th key, then the first ones of it, both in order. Keys are turned round, so
// that the largest one comes first.
struct Taken {
  uint32_t *low, *high;  // words of the keys; high: of f64 alone
  int32_t* place;
};

template <class T, class Order>
struct PlaceTaken {
  Order order;
  const Operand* x;
  const SelectState* state;
  const int64_t *above, *equal;
  int64_t count;
  Taken taken;
  static constexpr int kWarps = kThreads / kWarp;
  static constexpr int kRound = kWarp * kVector, kRounds = int(kPiece) / kWarps / kRound;

  // A warp's elements are neighbours, and the order of its rounds is theirs.
  __device__ __forceinline__ int load_round(const Piece& piece, int round, int64_t& at,
                                            T (&values)[kVector]) const {
    const int thread = int(threadIdx.x), warp = thread / kWarp, lane = thread % kWarp;
    const int own = (warp * kRounds + round) * kRound + lane * kVector;
    const int64_t rest = piece.size - own;
    const int n = rest < kVector ? (rest > 0 ? int(rest) : 0) : kVector;
    at = piece.begin + own;
    load(x[0], at, n, values);
    return n;
  }
  __device__ void operator()(const Piece& piece) const {
    using Key = math::SizeKey<T>;
    __shared__ int of_warp[kWarps];
    const int warp = int(threadIdx.x) / kWarp, lane = int(threadIdx.x) % kWarp;
    const Key found = Key(state->found);
    const int64_t wanted = int64_t(state->rank);  // of the equal ones
    int64_t at;
    T values[kVector];
    int counted = 0;
    for (int round = 0; round < kRounds; ++round) {
      const int n = load_round(piece, round, at, values);
#pragma unroll
      for (int i = 0; i < kVector; ++i) counted += i < n ? counts_as(order(values[i]), found) : 0;
    }
    counted = warp_reduce<Sum>(counted);
    if (lane == 0) of_warp[warp] = counted;
    __syncthreads();  // every warp has counted
    int64_t next_above = above[piece.index], next_equal = equal[piece.index];
    for (int other = 0; other < warp; ++other) {
      next_above += of_warp[other] & kAboveMask;
      next_equal += of_warp[other] >> kEqualShift;
    }
    for (int round = 0; round < kRounds; ++round) {
      const int n = load_round(piece, round, at, values);
      int own = 0;
#pragma unroll
      for (int i = 0; i < kVector; ++i) own += i < n ? counts_as(order(values[i]), found) : 0;
      const int through = warp_scan(own, lane), before = through - own;
      int64_t to_above = next_above + (before & kAboveMask);
      int64_t to_equal = next_equal + (before >> kEqualShift);
#pragma unroll
      for (int i = 0; i < kVector; ++i) {
        const Key key = order(values[i]);
        if (i >= n || key < found) continue;
        const bool is_above = key > found;
        const int64_t equal_at = is_above ? 0 : to_equal++;
        if (equal_at >= wanted) continue;
        const int64_t to = is_above ? to_above++ : count - wanted + equal_at;
        const Key turned = Key(~key);
        taken.low[to] = uint32_t(turned);
        if constexpr (sizeof(T) == 8) taken.high[to] = uint32_t(turned >> 32);
        taken.place[to] = int32_t(at + i);
      }
      const int all = __shfl_sync(kFullWarp, through, kWarp - 1);
      next_above += all & kAboveMask;
      next_equal += all >> kEqualShift;
    }
  }
};

__global__ void __launch_bounds__(kThreads)
    reorder_keys_kernel(const uint32_t* keys, const int64_t* position, int64_t count,
                        uint32_t* out) {
  const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < count) out[i] = keys[position[i]];
}

// `before`: positions in the order that `position` counts in; null: that of `place` itself.
template <class S>
__global__ void __launch_bounds__(kThreads)
    write_top_kernel(const int32_t* place, const int64_t* before, const int64_t* position,
                     int64_t count, const S* x, int32_t* index, S* values) {
  const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= count) return;
  const int64_t from = position[i];
  const int32_t own = place[before ? before[from] : from];
  index[i] = own;
  if (values) values[i] = x[uint32_t(own)];
}

Grid threads_for(int64_t count) {
  return {dim3(unsigned((count + kThreads - 1) / kThreads)), kThreads};
}

template <class T, class Order>
void take(const TopK& op, Stream& stream, Order order) {
  const int64_t count = op.count();
  View x = op.x;
  const Lists lists(stream, {List<View>{&x, 1}});
  const double numbers[] = {double(count), double(op.x.size())};
  const double* const rank = stream.table(numbers, 2);
  const SelectState* const state = select_keys<T>(stream, lists, order, rank, rank + 1, 1, true);
  auto* above = stream.scratch<int64_t>(2 * lists.pieces());
  int64_t* const equal = above + lists.pieces();
  const auto words = [&] { return stream.scratch<uint32_t>(count); };
  const Taken taken{words(), sizeof(T) == 8 ? words() : nullptr, stream.scratch<int32_t>(count)};
  for_pieces(stream, lists, CountTaken<T, Order>{order, lists.of(0), state, above, equal});
  launch(stream, scan_taken_kernel, {1, 2 * kWarp}, lists.pieces(), above, equal);
  for_pieces(stream, lists,
             PlaceTaken<T, Order>{order, lists.of(0), state, above, equal, count, taken});

  constexpr int kBits = 32;  // of a word
  const int64_t* before = nullptr;
  const int64_t* position = sort(stream, taken.low, count, kBits).position;
  if constexpr (sizeof(T) == 8) {
    uint32_t* const high = words();
    launch(stream, reorder_keys_kernel, threads_for(count), taken.high, position, count, high);
    before = position;
    position = sort(stream, high, count, kBits).position;
  }
  visit_moved(op.x.dtype, [&]<class S>() {
    if constexpr (sizeof(S) > 1)  // x is floating
      launch(stream, write_top_kernel<S>, threads_for(count), taken.place, before, position, count,
             op.x.as<S>(), op.index.as<int32_t>(), op.values.as<S>());
  });
}

template <class T>
void top_k_of(const TopK& op, Stream& stream) {
  op.order == TopOrder::kSize ? take<T>(op, stream, math::TiedSizeOrder())
                              : take<T>(op, stream, math::ValueOrder());
}

}  // namespace

static void top_k(const TopK& op, Stream& stream) {
  if (op.count() == 0) return;
  op.x.dtype == Dtype::kF64 ? top_k_of<double>(op, stream) : top_k_of<float>(op, stream);
}
ORTHOKIT_KERNEL(TopK, top_k);

}  // namespace orthokit::cuda
