// Sums over a range of numbers, in f64 and in an order that its length fixes.
#pragma once
#include "cuda/lists.cuh"

namespace orthokit::cuda {

inline constexpr int64_t kShare = 1 << 12;  // items of a block

template <int N, class Term>
__global__ void __launch_bounds__(kThreads)
    share_kernel(int64_t count, Term term, Sums<N>* partial) {
  const int64_t begin = blockIdx.x * kShare, end = begin + kShare < count ? begin + kShare : count;
  Sums<N> sums;
  for (int64_t i = begin + threadIdx.x; i < end; i += kThreads) term(i, sums);
  sums = block_sum(sums);
  if (threadIdx.x == 0) partial[blockIdx.x] = sums;
}

template <int N, class Finish>
__global__ void __launch_bounds__(kThreads)
    total_kernel(int64_t shares, const Sums<N>* partial, Finish finish) {
  Sums<N> sums;
  for (int64_t i = threadIdx.x; i < shares; i += kThreads)
    for (int k = 0; k < N; ++k) sums.of[k] += partial[i].of[k];
  sums = block_sum(sums);
  if (threadIdx.x == 0) finish(sums);
}

// term(i, sums) adds what item i counts for; finish(sums) gets the totals in one thread, also of no
// items. Two launches.
template <int N, class Term, class Finish>
void sum_items(Stream& stream, int64_t count, const Term& term, const Finish& finish) {
  const int64_t shares = (count + kShare - 1) / kShare;
  auto* partial = stream.scratch<Sums<N>>(shares + 1);
  if (shares > 0)
    launch(stream, share_kernel<N, Term>, {dim3(unsigned(shares)), kThreads}, count, term, partial);
  launch(stream, total_kernel<N, Finish>, {1, kThreads}, shares, partial, finish);
}

}  // namespace orthokit::cuda
