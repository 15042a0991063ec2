// Radix selection: each read of the elements settles the next bits of the key that a rank falls on,
// by counting.
#pragma once
#include "cuda/lists.cuh"
#include "math/sizes.h"

namespace orthokit::cuda {
namespace {

inline constexpr int kSelectBits = 11, kSelectDigits = 1 << kSelectBits;  // that one read settles
static_assert(kSelectDigits % kThreads == 0, "a thread sums as many counts as another one");

// The elements that one rank counts through.
struct SelectState {
  unsigned long long found;  // bits of the result
  double rank;               // among the elements that share them
  bool exists;
};

__global__ void __launch_bounds__(kThreads)
    begin_selection_kernel(SelectState* states, const double* ranks, const double* elements,
                           int count, unsigned long long* counts) {
  const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < count) states[i] = {0, ranks[i], ranks[i] <= elements[i]};
  if (i < int64_t(count) * kSelectDigits) counts[i] = 0;
}

// Counts the next digit of the elements of a piece whose keys share the bits found.
template <class T, class Order>
struct CountDigits {
  Order order;
  const Operand* x;
  const SelectState* states;
  unsigned long long* counts;
  int shift, above;  // above: the bits from here on are found; as many as the key has: none are
  bool whole;
  __device__ void operator()(const Piece& piece) const {
    using Key = math::SizeKey<T>;
    __shared__ unsigned of_digit[kSelectDigits];
    for (int d = int(threadIdx.x); d < kSelectDigits; d += kThreads) of_digit[d] = 0;
    __syncthreads();  // all are 0
    const int selection = whole ? 0 : piece.tensor;
    const Key found = Key(states[selection].found);
    const Operand& tensor = x[piece.tensor];
    constexpr int kBits = int(sizeof(T)) * 8;
    for_vectors(piece, [&](int64_t at, int n) {
      T values[kVector];
      load(tensor, at, n, values);
#pragma unroll
      for (int i = 0; i < kVector; ++i) {
        const Key key = order(values[i]);
        const bool counts_here = above == kBits || key >> above == found >> above;
        if (i < n && counts_here) atomicAdd(&of_digit[int(key >> shift) & (kSelectDigits - 1)], 1u);
      }
    });
    __syncthreads();  // all elements are counted
    for (int d = int(threadIdx.x); d < kSelectDigits; d += kThreads)
      if (of_digit[d] > 0)
        atomicAdd(&counts[int64_t(selection) * kSelectDigits + d],
                  (unsigned long long)(of_digit[d]));
  }
};

// A block a selection: the digit in which the rank falls, from the largest on. Zeroes the counts.
__global__ void __launch_bounds__(kThreads)
    settle_digit_kernel(SelectState* states, unsigned long long* counts, int shift) {
  constexpr int kShare = kSelectDigits / kThreads;
  __shared__ unsigned long long totals[kThreads];
  unsigned long long* const own = counts + int64_t(blockIdx.x) * kSelectDigits;
  unsigned long long total = 0;
  for (int d = 0; d < kShare; ++d) total += own[int(threadIdx.x) * kShare + d];
  totals[threadIdx.x] = total;
  __syncthreads();  // all shares are summed
  if (threadIdx.x == 0 && states[blockIdx.x].exists) {
    SelectState& state = states[blockIdx.x];
    int share = kThreads - 1;
    while (share > 0 && state.rank > double(totals[share])) state.rank -= double(totals[share--]);
    int digit = share * kShare + kShare - 1;
    while (digit > share * kShare && state.rank > double(own[digit]))
      state.rank -= double(own[digit--]);
    state.found |= (unsigned long long)(digit) << shift;
  }
  __syncthreads();  // the counts have been read
  for (int d = int(threadIdx.x); d < kSelectDigits; d += kThreads) own[d] = 0;
}

// Of `count` selections, a tensor each or all of them together (whole), the key of each rank among
// as many elements; order gives the keys.
template <class T, class Order>
SelectState* select_keys(Stream& stream, const Lists& lists, Order order, const double* ranks,
                         const double* elements, int count, bool whole) {
  auto* states = stream.scratch<SelectState>(count);
  const int64_t digits = int64_t(count) * kSelectDigits;
  auto* counts = stream.scratch<unsigned long long>(digits);
  launch(stream, begin_selection_kernel,
         {dim3(unsigned((digits + kThreads - 1) / kThreads)), kThreads}, states, ranks, elements,
         count, counts);
  for (int above = int(sizeof(T)) * 8; above > 0;) {
    const int shift = above > kSelectBits ? above - kSelectBits : 0;
    for_pieces(stream, lists,
               CountDigits<T, Order>{order, lists.of(0), states, counts, shift, above, whole});
    launch(stream, settle_digit_kernel, {dim3(unsigned(count)), kThreads}, states, counts, shift);
    above = shift;
  }
  return states;
}

}  // namespace
}  // namespace orthokit::cuda
