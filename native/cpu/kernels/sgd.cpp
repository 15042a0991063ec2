#include "ops/sgd.h"

#include "cpu/state.h"
#include "cpu/step.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void sgd(const Sgd& op, Stream& stream) {
  if (is_held(op.step.guard)) return;
  const double* rates = same_rates(op.step, stream);
  if (op.momenta.count == 0)
    return run_plain_step(op.step, rates, stream, [&]<class T>(const Block<T>& b) {
      std::copy_n(b.grads, b.size, b.update);
    });
  const double* counts = count_steps(op.steps, stream);
  const MomentumRule rule = op.rule();
  run_plain_step(op.step, rates, stream, [&]<class T>(const Block<T>& b) {
    const bool first = counts[b.tensor] == 1 && rule.form == MomentumForm::kHeavyBall;
    const T beta = T(rule.momentum), kept = first ? T(0) : beta,
            fresh = first ? T(1) : T(rule.fresh()), ahead = T(rule.look_ahead());
    State<T> momenta(op.momenta[b.tensor], b.begin, b.size);
    T* __restrict m = momenta.data(), * __restrict u = b.update;
    const T* __restrict g = b.grads;
    if (first) std::fill_n(m, b.size, T(0));  // what stood there counts for nothing, NaN included
    for (int64_t i = 0; i < b.size; ++i) {
      const T gradient = g[i], momentum = kept * m[i] + fresh * gradient;
      u[i] = rule.nesterov ? beta * momentum + ahead * gradient : momentum;
      m[i] = momentum;
    }
  });
}
ORTHOKIT_KERNEL(Sgd, sgd);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
