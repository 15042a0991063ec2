#include "cuda/lists.cuh"
#include "ops/reductions/norms.h"

namespace orthokit::cuda {

struct SquaresOfPiece {
  const Operand* x;
  __device__ Sums<1> operator()(const Piece& piece) const {
    const Operand own = x[piece.tensor];
    Sums<1> sums;
    for_vectors(piece, [&](int64_t at, int n) {
      double values[kVector];
      load(own, at, n, values);
#pragma unroll
      for (double v : values) sums.of[0] += v * v;
    });
    return sums;
  }
};

struct WriteNorm {
  const Operand* x;
  double* out;
  double eps, scale;
  NormResult result;
  __device__ void operator()(int tensor, const Sums<1>& sums) const {
    const double norm = sqrt(sums.of[0]), inverse = norm == 0 ? 0 : 1 / (scale * norm + eps);
    const double most =
        x[tensor].dtype == Dtype::kF64 ? HUGE_VAL : double(std::numeric_limits<float>::max());
    out[tensor] = result == NormResult::kNorm ? norm : inverse > most ? most : inverse;
  }
};

static void norms(const Norms& op, Stream& stream) {
  const Lists lists(stream, {op.x});
  sum_pieces<1>(stream, lists, SquaresOfPiece{lists.of(0)},
                WriteNorm{lists.of(0), op.out.as<double>(), op.eps, op.scale, op.result});
}
ORTHOKIT_GRAPH_KERNEL(Norms, norms);

}  // namespace orthokit::cuda
