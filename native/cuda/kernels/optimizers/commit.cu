#include "cuda/kernels/optimizers/shared/step.cuh"
#include "ops/optimizers/commit.h"

namespace orthokit::cuda {

struct CommitPiece {
  const Operand *state, *x;
  const double* guard;
  template <class T>
  __device__ void commit(const Piece& piece) const {
    const Operand from = x[piece.tensor], to = state[piece.tensor];
    for_vectors(piece, [&](int64_t at, int n) {
      T values[kVector];
      load(from, at, n, values);
      store(to, at, n, values);
    });
  }
  __device__ void operator()(const Piece& piece) const {
    if (is_held(guard)) return;
    if (x[piece.tensor].dtype == Dtype::kF64)
      commit<double>(piece);
    else
      commit<float>(piece);
  }
};

static void commit(const Commit& op, Stream& stream) {
  const Lists lists(stream, {op.state, op.x});
  for_pieces(stream, lists, CommitPiece{lists.of(0), lists.of(1), op.guard.as<double>()});
}
ORTHOKIT_KERNEL(Commit, commit);

}  // namespace orthokit::cuda
