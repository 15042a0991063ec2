#include "ops/optimizers/sgd.h"

#include "cpu/kernels/optimizers/shared/momentum_pass.h"
#include "cpu/kernels/optimizers/shared/state.h"

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
  const bool measured = bool(op.step.statistics);
  // At the first step numbers in the momentum count for nothing, NaN included.
  const auto is_first = [&](int64_t tensor) {
    return counts[tensor] == 1 && rule.form == MomentumForm::kHeavyBall;
  };
  const auto advance = [&]<class T>(const Block<T>& b) {
    const bool first = is_first(b.tensor);
    const T beta = T(rule.momentum), kept = first ? T(0) : beta,
            fresh = first ? T(1) : T(rule.fresh()), ahead = T(rule.look_ahead());
    State<T> momenta(op.momenta[b.tensor], b.begin, b.size);
    T* __restrict m = momenta.data(), * __restrict u = b.update;
    const T* __restrict g = b.grads;
    if (first) std::fill_n(m, b.size, T(0));
    for (int64_t i = 0; i < b.size; ++i) {
      const T gradient = g[i], momentum = kept * m[i] + fresh * gradient;
      u[i] = rule.nesterov ? beta * momentum + ahead * gradient : momentum;
      m[i] = momentum;
    }
  };
  const StepSums* sums = run_chunks(op.step, stream, [&](const Chunk& c) {
    const double rate = rates[c.tensor];
    const MomentumArrays arrays = momentum_arrays(op.step, op.momenta, c);
    if (arrays.g == nullptr || is_first(c.tensor)) return any_step_chunk(op.step, c, rate, advance);
    const MomentumFactors factors = factors_of(rule, op.step, rate);
    const PowerSums powers =
        measured ? momentum_pass<Pass::kBoth, Powers::kSquares>(factors, arrays, c.size)
                 : momentum_pass<Pass::kBoth, Powers::kNone>(factors, arrays, c.size);
    return StepSums{powers.grad, rate * rate * powers.second};
  });
  write_all_statistics(op.step, sums);
}
ORTHOKIT_KERNEL(Sgd, sgd);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
