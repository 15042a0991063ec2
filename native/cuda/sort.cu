#include "cuda/device/reduce.cuh"
#include "cuda/sort.cuh"

namespace orthokit::cuda {
namespace {

inline constexpr int kSortThreads = 256, kSortWarps = kSortThreads / kWarp;
inline constexpr int kDigitBits = 8, kDigits = 1 << kDigitBits;
inline constexpr int kRounds = 8;                                       // keys of a thread
inline constexpr int64_t kSortShare = int64_t(kSortThreads) * kRounds;  // keys of a block
static_assert(kDigits == kSortThreads, "a thread takes care of a digit");

__device__ __forceinline__ int digit_of(uint32_t key, int shift) {
  return int(key >> shift) & (kDigits - 1);
}

// counts[digit · blocks + block]
__global__ void __launch_bounds__(kSortThreads)
    count_digits_kernel(const uint32_t* keys, int64_t count, int shift, int64_t* counts) {
  __shared__ int of_digit[kDigits];
  const int thread = int(threadIdx.x);
  of_digit[thread] = 0;
  __syncthreads();  // all are 0
  const int64_t begin = blockIdx.x * kSortShare;
  for (int64_t i = begin + thread; i < begin + kSortShare && i < count; i += kSortThreads)
    atomicAdd(&of_digit[digit_of(keys[i], shift)], 1);
  __syncthreads();  // all keys are counted
  counts[thread * int64_t(gridDim.x) + blockIdx.x] = of_digit[thread];
}

// A warp a digit: the counts of each block become those of the blocks before it.
__global__ void __launch_bounds__(kSortThreads)
    scan_counts_kernel(int64_t blocks, int64_t* counts, int64_t* totals) {
  const int lane = int(threadIdx.x) % kWarp;
  const int digit = int(blockIdx.x) * kSortWarps + int(threadIdx.x) / kWarp;
  int64_t before = 0;
  for (int64_t first = 0; first < blocks; first += kWarp) {
    const int64_t block = first + lane;
    int64_t* own = counts + digit * blocks + block;
    const int64_t here = block < blocks ? *own : 0, through = warp_scan(here, lane);
    if (block < blocks) *own = before + through - here;
    before += __shfl_sync(kFullWarp, through, kWarp - 1);
  }
  if (lane == 0) totals[digit] = before;
}

// The lanes whose digit is the own one's; lanes without a key are in no set.
__device__ __forceinline__ unsigned lanes_with(int digit, bool has_key) {
  unsigned lanes = __ballot_sync(kFullWarp, has_key);
#pragma unroll
  for (int bit = 0; bit < kDigitBits; ++bit) {
    const bool set = digit >> bit & 1;
    const unsigned with = __ballot_sync(kFullWarp, set);
    lanes &= set ? with : ~with;
  }
  return lanes;
}

// `position` is null in the first pass, where it is the index.
__global__ void __launch_bounds__(kSortThreads, 2)
    place_keys_kernel(const uint32_t* keys, const int64_t* position, int64_t count, int shift,
                      const int64_t* counts, const int64_t* totals, uint32_t* sorted_keys,
                      int64_t* sorted_position) {
  __shared__ int64_t start[kDigits];             // of each digit in the result
  __shared__ int64_t next[kSortWarps][kDigits];  // where a warp's next key of a digit goes
  const int thread = int(threadIdx.x), lane = thread % kWarp, warp = thread / kWarp;
  if (warp == 0) {
    int64_t before = 0;
    for (int first = 0; first < kDigits; first += kWarp) {
      const int64_t here = totals[first + lane], through = warp_scan(here, lane);
      start[first + lane] = before + through - here;
      before += __shfl_sync(kFullWarp, through, kWarp - 1);
    }
  }
  for (int other = 0; other < kSortWarps; ++other) next[other][thread] = 0;
  __syncthreads();  // starts and zeros are there

  // A warp's keys are neighbours, and the order of its rounds is theirs.
  const int64_t begin = blockIdx.x * kSortShare + int64_t(warp) * kWarp * kRounds + lane;
  uint32_t key[kRounds];
  unsigned peers[kRounds];
#pragma unroll
  for (int round = 0; round < kRounds; ++round) {
    const int64_t i = begin + round * kWarp;
    key[round] = i < count ? keys[i] : 0;
    const int digit = digit_of(key[round], shift);
    peers[round] = lanes_with(digit, i < count);
    if (i < count && __ffs(int(peers[round])) - 1 == lane)
      next[warp][digit] += __popc(peers[round]);
    __syncwarp();  // the next round may count the same digit in another lane
  }
  __syncthreads();  // every warp has counted
  int64_t at = start[thread] + counts[thread * int64_t(gridDim.x) + blockIdx.x];
  for (int other = 0; other < kSortWarps; ++other) {
    const int64_t here = next[other][thread];
    next[other][thread] = at;
    at += here;
  }
  __syncthreads();  // every warp knows where its keys go
#pragma unroll
  for (int round = 0; round < kRounds; ++round) {
    const int64_t i = begin + round * kWarp;
    const int digit = digit_of(key[round], shift);
    const int leader = i < count ? __ffs(int(peers[round])) - 1 : lane;
    int64_t to = 0;
    if (i < count && lane == leader) {
      to = next[warp][digit];
      next[warp][digit] = to + __popc(peers[round]);
    }
    to = __shfl_sync(kFullWarp, to, leader);
    if (i < count) {
      to += __popc(peers[round] & ((1u << lane) - 1));
      sorted_keys[to] = key[round];
      sorted_position[to] = position ? position[i] : i;
    }
    __syncwarp();  // the next round may move the same digit on in another lane
  }
}

}  // namespace

Sorted sort(Stream& stream, const uint32_t* keys, int64_t count, int bits) {
  if (count == 0) return {keys, nullptr};
  const int64_t blocks = (count + kSortShare - 1) / kSortShare;
  auto* counts = stream.scratch<int64_t>(kDigits * blocks);
  auto* totals = stream.scratch<int64_t>(kDigits);
  uint32_t* keys_of[2];
  int64_t* position_of[2];
  for (auto& room : keys_of) room = stream.scratch<uint32_t>(count);
  for (auto& room : position_of) room = stream.scratch<int64_t>(count);
  Sorted sorted{keys, nullptr};
  for (int shift = 0, pass = 0; shift < bits || pass == 0; shift += kDigitBits, ++pass) {
    const Grid grid{dim3(unsigned(blocks)), kSortThreads};
    launch(stream, count_digits_kernel, grid, sorted.keys, count, shift, counts);
    launch(stream, scan_counts_kernel, {kDigits / kSortWarps, kSortThreads}, blocks, counts,
           totals);
    launch(stream, place_keys_kernel, grid, sorted.keys, sorted.position, count, shift, counts,
           totals, keys_of[pass % 2], position_of[pass % 2]);
    sorted = {keys_of[pass % 2], position_of[pass % 2]};
  }
  return sorted;
}

}  // namespace orthokit::cuda
