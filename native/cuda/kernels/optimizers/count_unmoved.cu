#include "cuda/lists.cuh"
#include "ops/optimizers/count_unmoved.h"

namespace orthokit::cuda {

struct UnmovedPiece {
  const Operand *x, *before, *grads;
  template <class T>
  __device__ double count(const Piece& piece) const {
    const Operand gradient = grads[piece.tensor];
    const auto *now = x[piece.tensor].as<const uint16_t>(),
               *was = before[piece.tensor].as<const uint16_t>();
    double sum = 0;
    for_vectors(piece, [&](int64_t at, int n) {
      uint16_t a[kVector], b[kVector];
      T g[kVector];
      load_raw(now + at, n, a);
      load_raw(was + at, n, b);
      load(gradient, at, n, g);
#pragma unroll
      for (int i = 0; i < kVector; ++i) sum += i < n && a[i] == b[i] && !(g[i] == 0) ? 1 : 0;
    });
    return sum;
  }
  __device__ Sums<1> operator()(const Piece& piece) const {
    Sums<1> sums;
    sums.of[0] =
        grads[piece.tensor].dtype == Dtype::kF64 ? count<double>(piece) : count<float>(piece);
    return sums;
  }
};

struct NoteUnmoved {
  double* out;
  const double* guard;
  __device__ void operator()(int tensor, const Sums<1>& sums) const {
    out[tensor] = guard && *guard != 0 ? nan("") : sums.of[0];
  }
};

static void count_unmoved(const CountUnmoved& op, Stream& stream) {
  const Lists lists(stream, {op.x, op.before, op.grads});
  sum_pieces<1>(stream, lists, UnmovedPiece{lists.of(0), lists.of(1), lists.of(2)},
                NoteUnmoved{op.out.as<double>(), op.guard.as<double>()});
}
ORTHOKIT_KERNEL(CountUnmoved, count_unmoved);

}  // namespace orthokit::cuda
