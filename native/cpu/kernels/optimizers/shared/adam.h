// Numbers of a step with two moments that both began at zero.
#pragma once
#include "cpu/kernels/optimizers/shared/step.h"
#include "math/step.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Adds one to every counter: the corrections of each tensor.
inline const math::BiasCorrections* corrections_of(const List<View>& steps, double beta1,
                                                   double beta2, Stream& stream) {
  const double* counts = count_steps(steps, stream);
  auto* corrections = stream.scratch<math::BiasCorrections>(steps.count);
  for (int64_t t = 0; t < steps.count; ++t)
    corrections[t] = math::bias_corrections(beta1, beta2, counts[t]);
  return corrections;
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
