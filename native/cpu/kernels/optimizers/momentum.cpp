#include "ops/optimizers/momentum.h"

#include "cpu/kernels/optimizers/shared/state.h"
#include "cpu/kernels/optimizers/shared/step.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T>
static double momentum_block(const Momentum& op, const Step& decayed, int64_t tensor, int64_t at,
                             int64_t n) {
  const MomentumRule rule = op.rule();
  const T beta = T(rule.momentum), fresh = T(rule.fresh()), ahead = T(rule.look_ahead()),
          l2 = T(op.l2);
  alignas(64) T grads[kBlock], weights[kBlock];
  const T* g = load(op.grads[tensor], at, n, grads);
  const double squares = op.squares ? sum_of_squares(g, n) : 0;
  if (op.l2 != 0) {
    const T* w = load_weights(decayed, tensor, at, n, weights);
    for (int64_t i = 0; i < n; ++i) grads[i] = g[i] + l2 * w[i];
    g = grads;
  }
  State<T> momenta(op.momenta[tensor], at, n);
  T* __restrict m = momenta.data(), * __restrict out = op.out[tensor].as<T>() + at;
  for (int64_t i = 0; i < n; ++i) {
    m[i] = beta * m[i] + fresh * g[i];
    out[i] = rule.nesterov ? beta * m[i] + ahead * g[i] : m[i];
  }
  return squares;
}

void momentum(const Momentum& op, Stream& stream) {
  const Chunks chunks(op.out, stream);
  const bool held = is_held(op.guard);
  const Step decayed{.weights = op.weights, .masters = op.masters};
  auto* partial = stream.scratch<double>(chunks.count());
  chunks.run([&](const Chunk& c) {
    visit(op.out[c.tensor].dtype, [&]<class T>() {
      partial[c.index] = 0;
      if (held) std::fill_n(op.out[c.tensor].as<T>() + c.begin, c.size, T(0));
      for (int64_t done = 0; done < c.size && !held; done += kBlock)
        partial[c.index] += momentum_block<T>(op, decayed, c.tensor, c.begin + done,
                                              std::min(kBlock, c.size - done));
    });
  });
  if (op.squares && !held)
    chunks.reduce(partial, [&](int64_t t, double sum) { op.squares.as<double>()[t] = sum; });
}
ORTHOKIT_KERNEL(Momentum, momentum);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
