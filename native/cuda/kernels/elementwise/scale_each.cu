#include "cuda/lists.cuh"
#include "ops/elementwise/scale_each.h"

namespace orthokit::cuda {

struct ScalePiece {
  const Operand *out, *x;
  const double* factors;
  template <class T>
  __device__ void scale(const Piece& piece) const {
    const T factor = finite_factor<T>(factors[piece.tensor]);
    const Operand &from = x[piece.tensor], &to = out[piece.tensor];
    for_vectors(piece, [&](int64_t at, int n) {
      T values[kVector];
      load(from, at, n, values);
#pragma unroll
      for (int i = 0; i < kVector; ++i) values[i] = factor * values[i];
      store(to, at, n, values);
    });
  }
  __device__ void operator()(const Piece& piece) const {
    if (x[piece.tensor].dtype == Dtype::kF64 || out[piece.tensor].dtype == Dtype::kF64)
      scale<double>(piece);
    else
      scale<float>(piece);
  }
};

static void scale_each(const ScaleEach& op, Stream& stream) {
  const Lists lists(stream, {op.out, op.x});
  for_pieces(stream, lists, ScalePiece{lists.of(0), lists.of(1), op.factors.as<double>()});
}
ORTHOKIT_KERNEL(ScaleEach, scale_each);

}  // namespace orthokit::cuda
