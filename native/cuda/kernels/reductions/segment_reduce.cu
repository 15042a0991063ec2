#include "cuda/kernels/reductions/shared/reduction.cuh"
#include "cuda/lists.cuh"
#include "ops/reductions/segment_reduce.h"

namespace orthokit::cuda {

struct SegmentResult {
  Sums<5> sums;  // Σ x, Σ |x|, x·x, x·y, y·y
  double largest = 0;
  __device__ void add(const SegmentResult& other) {
    sums.add(other.sums);
    largest = Larger::combine(largest, other.largest);
  }
};
__device__ __forceinline__ SegmentResult block_sum(SegmentResult result) {
  result.sums = block_sum(result.sums);
  result.largest = block_reduce<Larger>(result.largest);
  return result;
}

// One read of x, and of y.
struct SegmentPiece {
  const Operand *x, *y;  // y: null if there is none
  __device__ SegmentResult operator()(const Piece& piece) const {
    const Operand of_x = x[piece.tensor], of_y = y ? y[piece.tensor] : Operand{};
    SegmentResult result;
    double(&of)[5] = result.sums.of;
    for_vectors(piece, [&](int64_t at, int n) {
      double a[kVector], b[kVector] = {};
      load(of_x, at, n, a);
      if (y) load(of_y, at, n, b);
#pragma unroll
      for (int i = 0; i < kVector; ++i) {
        of[0] += a[i], of[1] += fabs(a[i]), of[2] += a[i] * a[i];
        of[3] += a[i] * b[i], of[4] += b[i] * b[i];
        result.largest = Larger::combine(result.largest, fabs(a[i]));
      }
    });
    return result;
  }
};

struct WriteSegment {
  double* out;
  int width;
  __device__ void operator()(int tensor, const SegmentResult& result) const {
    const double(&of)[5] = result.sums.of;
    double* row = out + int64_t(tensor) * width;
    row[0] = of[0], row[1] = of[1], row[2] = result.largest, row[3] = of[2];
    if (width == 6) row[4] = of[3], row[5] = of[4];
  }
};

static void segment_reduce(const SegmentReduce& op, Stream& stream) {
  const Lists lists(stream, {op.x, op.y});
  reduce_pieces<SegmentResult>(stream, lists,
                               SegmentPiece{lists.of(0), op.y.count > 0 ? lists.of(1) : nullptr},
                               WriteSegment{op.out.as<double>(), int(op.out.shape[1])});
}
ORTHOKIT_KERNEL(SegmentReduce, segment_reduce);

}  // namespace orthokit::cuda
