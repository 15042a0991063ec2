#include "cuda/kernels/optimizers/shared/step.cuh"
#include "ops/optimizers/momentum.h"

namespace orthokit::cuda {

// Reads g and m, and the weights for an l2 decay; writes m and out.
struct MomentumPiece {
  StepFields decayed;
  const Operand *momenta, *out;
  MomentumRule rule;

  // Σg² of the calling thread.
  template <class T>
  __device__ double advance(const Piece& piece) const {
    const T beta = T(rule.momentum), fresh = T(rule.fresh()), ahead = T(rule.look_ahead());
    const StepTensor tensor = decayed.of(piece.tensor);
    const Operand& own = momenta[piece.tensor];
    T* to = out[piece.tensor].template as<T>();
    double squares = 0;
    for_vectors(piece, [&](int64_t at, int n) {
      StepVector<T> v;
      v.at = at, v.n = n;
      T m[kVector];
      load(own, at, n, m);
      load(*tensor.grads, at, n, v.g);
      if (decayed.l2 != 0) load_weights(tensor, v);
#pragma unroll
      for (int i = 0; i < kVector; ++i) {
        squares += double(v.g[i]) * double(v.g[i]);
        if (decayed.l2 != 0) v.g[i] += T(decayed.l2) * v.w[i];
        m[i] = beta * m[i] + fresh * v.g[i];
        v.u[i] = rule.nesterov ? beta * m[i] + ahead * v.g[i] : m[i];
      }
      store(own, at, n, m);
      store_raw(to + at, n, v.u);
    });
    return squares;
  }
  template <class T>
  __device__ void clear(const Piece& piece) const {
    T* to = out[piece.tensor].template as<T>();
    const T zeros[kVector] = {};
    for_vectors(piece, [&](int64_t at, int n) { store_raw(to + at, n, zeros); });
  }
  template <class T>
  __device__ double run(const Piece& piece) const {
    if (!is_held(decayed.guard)) return advance<T>(piece);
    clear<T>(piece);
    return 0;
  }
  __device__ double squares(const Piece& piece) const {
    return out[piece.tensor].dtype == Dtype::kF64 ? run<double>(piece) : run<float>(piece);
  }
};

struct MeasuredMomentum : MomentumPiece {
  __device__ Sums<1> operator()(const Piece& piece) const { return {{squares(piece)}}; }
};
struct UnmeasuredMomentum : MomentumPiece {
  __device__ void operator()(const Piece& piece) const { squares(piece); }
};

struct WriteSquares {
  double* out;
  const double* guard;
  __device__ void operator()(int tensor, const Sums<1>& sums) const {
    if (!is_held(guard)) out[tensor] = sums.of[0];
  }
};

static void momentum(const Momentum& op, Stream& stream) {
  const Lists lists(stream, {op.out, op.grads, op.momenta, op.weights, op.masters});
  MomentumPiece body{{}, lists.of(2), lists.of(0), op.rule()};
  body.decayed.weights = lists.of(3), body.decayed.grads = lists.of(1);
  body.decayed.masters = op.masters.count > 0 ? lists.of(4) : nullptr;
  body.decayed.guard = op.guard.as<double>(), body.decayed.l2 = op.l2;
  if (!op.squares) return for_pieces(stream, lists, UnmeasuredMomentum{body});
  sum_pieces<1>(stream, lists, MeasuredMomentum{body},
                WriteSquares{op.squares.as<double>(), op.guard.as<double>()});
}
ORTHOKIT_KERNEL(Momentum, momentum);

}  // namespace orthokit::cuda
