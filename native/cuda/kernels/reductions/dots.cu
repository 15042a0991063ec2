#include "cuda/lists.cuh"
#include "ops/reductions/dots.h"

namespace orthokit::cuda {

// One read of x and y.
struct ProductsOfPiece {
  const Operand *x, *y;
  __device__ Sums<1> operator()(const Piece& piece) const {
    const Operand of_x = x[piece.tensor], of_y = y[piece.tensor];
    Sums<1> sums;
    for_vectors(piece, [&](int64_t at, int n) {
      double a[kVector], b[kVector];
      load(of_x, at, n, a);
      load(of_y, at, n, b);
#pragma unroll
      for (int i = 0; i < kVector; ++i) sums.of[0] += a[i] * b[i];
    });
    return sums;
  }
};

struct WriteDot {
  double* out;
  __device__ void operator()(int tensor, const Sums<1>& sums) const { out[tensor] = sums.of[0]; }
};

static void dots(const Dots& op, Stream& stream) {
  const Lists lists(stream, {op.x, op.y});
  sum_pieces<1>(stream, lists, ProductsOfPiece{lists.of(0), lists.of(1)},
                WriteDot{op.out.as<double>()});
}
ORTHOKIT_GRAPH_KERNEL(Dots, dots);

}  // namespace orthokit::cuda
