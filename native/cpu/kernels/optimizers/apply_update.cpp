#include "ops/optimizers/apply_update.h"

#include "cpu/kernels/optimizers/shared/step.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void apply_update(const ApplyUpdate& op, Stream& stream) {
  if (is_held(op.step.guard)) return;
  double* rates = same_rates(op.step, stream);
  for (int64_t t = 0; t < op.scales.count; ++t) rates[t] *= op.scales[t];
  run_plain_step(op.step, rates, stream,
                 [&]<class T>(const Block<T>& b) { std::copy_n(b.grads, b.size, b.update); });
}
ORTHOKIT_KERNEL(ApplyUpdate, apply_update);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
