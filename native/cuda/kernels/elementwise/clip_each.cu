#include "cuda/lists.cuh"
#include "ops/elementwise/clip_each.h"

namespace orthokit::cuda {

struct ClipPiece {
  const Operand *out, *x;
  const double* limits;
  bool one;  // limit for all
  template <class T>
  __device__ void clip(const Piece& piece) const {
    const T limit = T(limits[one ? 0 : piece.tensor]);
    const Operand &from = x[piece.tensor], &to = out[piece.tensor];
    for_vectors(piece, [&](int64_t at, int n) {
      T values[kVector];
      load(from, at, n, values);
#pragma unroll
      for (int i = 0; i < kVector; ++i)
        values[i] = std::abs(values[i]) > limit ? std::copysign(limit, values[i]) : values[i];
      store(to, at, n, values);
    });
  }
  __device__ void operator()(const Piece& piece) const {
    if (x[piece.tensor].dtype == Dtype::kF64)
      clip<double>(piece);
    else
      clip<float>(piece);
  }
};

static void clip_each(const ClipEach& op, Stream& stream) {
  const Lists lists(stream, {op.out, op.x});
  for_pieces(stream, lists,
             ClipPiece{lists.of(0), lists.of(1), op.limits.as<double>(), op.limits.size() == 1});
}
ORTHOKIT_KERNEL(ClipEach, clip_each);

}  // namespace orthokit::cuda
