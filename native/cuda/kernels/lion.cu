#include "cuda/step.cuh"
#include "ops/lion.h"

namespace orthokit::cuda {

// Reads w, g, m and writes w, m.
struct LionMethod {
  const Operand* momenta;
  double beta1, beta2;
  template <class T>
  __device__ void operator()(StepVector<T>& v) const {
    const T kept = T(beta1), fresh = T(1 - beta1), kept2 = T(beta2), fresh2 = T(1 - beta2);
    T m[kVector];
    load(momenta[v.tensor], v.at, v.n, m);
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      const T x = kept * m[i] + fresh * v.g[i];
      v.u[i] = x > 0 ? T(1) : x < 0 ? T(-1) : x;  // NaN stays
      m[i] = kept2 * m[i] + fresh2 * v.g[i];
    }
    store(momenta[v.tensor], v.at, v.n, m);
  }
};

static void lion(const Lion& op, Stream& stream) {
  const Step& step = op.step;
  const Lists lists(stream, {step.weights, step.grads, step.masters, op.momenta});
  run_plain_step(step, lists, {.same = step.lr}, stream,
                 LionMethod{lists.of(kOwnLists), op.beta1, op.beta2});
}
ORTHOKIT_KERNEL(Lion, lion);

}  // namespace orthokit::cuda
