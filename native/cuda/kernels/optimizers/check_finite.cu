#include "cuda/lists.cuh"
#include "ops/optimizers/check_finite.h"

namespace orthokit::cuda {

struct CountNonFinite {
  const Operand* x;
  __device__ Sums<1> operator()(const Piece& piece) const {
    const Operand tensor = x[piece.tensor];
    Sums<1> sums;
    for_vectors(piece, [&](int64_t at, int n) {
      double values[kVector];
      load(tensor, at, n, values);
#pragma unroll
      for (double v : values) sums.of[0] += v - v == 0 ? 0 : 1;  // NaN and infinity are not 0
    });
    return sums;
  }
};

struct NoteNonFinite {
  double* counts;
  __device__ void operator()(int tensor, const Sums<1>& sums) const {
    counts[tensor] = sums.of[0] > 0 ? 1 : 0;
  }
};

// One block. `guard` and `skipped` stay as they are where the op is to fail.
static __global__ void __launch_bounds__(kThreads)
    guard_kernel(const double* counts, int tensors, bool fails, double* guard, double* skipped,
                 double* total) {
  double sum = 0;
  for (int t = int(threadIdx.x); t < tensors; t += kThreads) sum += counts[t];
  sum = block_reduce<Sum>(sum);
  if (threadIdx.x != 0) return;
  *total = sum;
  if (fails && sum > 0) return;
  *guard = sum;
  if (skipped && sum > 0) *skipped += 1;
}

static void check_finite(const CheckFinite& op, Stream& stream) {
  const bool fails = op.action == NonFinite::kThrow;
  const Lists lists(stream, {op.x});
  auto* counts = stream.scratch<double>(op.x.count + 1);
  auto* total = counts + op.x.count;
  sum_pieces<1>(stream, lists, CountNonFinite{lists.of(0)}, NoteNonFinite{counts});
  launch(stream, guard_kernel, {1, kThreads}, counts, int(op.x.count), fails, op.guard.as<double>(),
         op.skipped.as<double>(), total);
  if (!fails) return;
  const int64_t bad = int64_t(stream.fetch(total));
  if (bad > 0)
    throw Error(ErrorCode::kArgument, "grads are not finite in " + std::to_string(bad) + " of " +
                                          std::to_string(op.x.count) + " tensors");
}
ORTHOKIT_KERNEL(CheckFinite, check_finite);

}  // namespace orthokit::cuda
