#include "cuda/device/fused.cuh"
#include "cuda/kernels/random/shared/draw.cuh"
#include "cuda/lists.cuh"
#include "ops/network/dropout.h"

namespace orthokit::cuda {

struct DropPiece {
  const Operand *out, *x;
  uint64_t seed, stream, offset;
  uint32_t threshold;
  double scale, beta;

  template <class T>
  __device__ void run(const Piece& piece) const {
    for_vectors(piece, [&](int64_t at, int n) {
      uint32_t words[8];
      T values[kVector], old[kVector];
      draw<2>(seed, stream, offset + uint64_t(at), n, words);
      load(x[piece.tensor], at, n, values);
      if (beta != 0) load(out[piece.tensor], at, n, old);
#pragma unroll
      for (int i = 0; i < kVector; ++i) {
        values[i] = words[i] >> 8 >= threshold ? values[i] * T(scale) : T(0);
        if (beta != 0) values[i] = fused(T(beta), old[i], values[i]);
      }
      store(out[piece.tensor], at, n, values);
    });
  }
  __device__ void operator()(const Piece& piece) const {
    if (x[piece.tensor].dtype == Dtype::kF64)
      run<double>(piece);
    else
      run<float>(piece);
  }
};

static void dropout(const Dropout& op, Stream& stream) {
  const Lists lists(stream, {{op.out}, {op.x}});
  for_pieces(stream, lists,
             DropPiece{lists.of(0), lists.of(1), uint64_t(op.seed), uint64_t(op.stream),
                       uint64_t(op.offset), op.threshold(), 1 / (1 - op.rate), op.beta});
}
ORTHOKIT_KERNEL(Dropout, dropout);

}  // namespace orthokit::cuda
