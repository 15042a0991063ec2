#include "cuda/kernels/optimizers/shared/adam.cuh"
#include "cuda/kernels/optimizers/shared/step.cuh"
#include "ops/optimizers/adamw.h"

namespace orthokit::cuda {

// Reads w, g, m, r and writes w, m, r.
static void adamw(const Adamw& op, Stream& stream) {
  const Step& step = op.step;
  const Lists lists(stream,
                    {step.weights, step.grads, step.masters, op.momenta, op.roots, op.steps});
  auto* corrections = stream.scratch<math::BiasCorrections>(op.steps.count + 1);
  count_steps(step, lists.of(kOwnLists + 2), stream, CorrectBias{corrections, op.beta1, op.beta2});
  run_plain_step(step, lists, {.same = step.lr}, stream,
                 AdamDirections{lists.of(kOwnLists), lists.of(kOwnLists + 1), corrections,
                                MovingAverage(op.beta1), MovingAverage(op.beta2), op.eps});
}
ORTHOKIT_GRAPH_KERNEL(Adamw, adamw);

}  // namespace orthokit::cuda
