// Steps with two moments that both began at zero.
#pragma once
#include "cuda/device/launch.cuh"
#include "cuda/kernels/optimizers/shared/step.cuh"
#include "math/roots.h"
#include "math/step.h"

namespace orthokit::cuda {

// For count_steps(): the corrections of each tensor.
struct CorrectBias {
  math::BiasCorrections* corrections;
  double beta1, beta2;
  __device__ void operator()(int tensor, double t) const {
    corrections[tensor] = math::bias_corrections(beta1, beta2, t);
  }
};

// Adam's direction of a tensor; both moments advance by its gradient.
struct AdamDirection {
  const Operand &momentum, &root;
  math::BiasCorrections correction;
  MovingAverage one, two;
  double eps;
  template <class T>
  __device__ __forceinline__ void operator()(StepVector<T>& v) const {
    const T first = T(correction.momentum), second = T(correction.root);
    T m[kVector], r[kVector];
    load(momentum, v.at, v.n, m);
    load(root, v.at, v.n, r);
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      m[i] = T(one.kept) * m[i] + T(one.fresh) * v.g[i];
      r[i] = math::root_of_sum(T(two.kept), r[i], T(two.fresh), v.g[i]);
      const T divisor = r[i] * second + T(eps);
      v.u[i] = divisor == 0 ? T(0) : m[i] * first / divisor;
    }
    store(momentum, v.at, v.n, m);
    store(root, v.at, v.n, r);
  }
};
struct AdamDirections {
  const Operand *momenta, *roots;
  const math::BiasCorrections* corrections;
  MovingAverage one, two;
  double eps;
  __device__ AdamDirection of(int tensor) const {
    return {momenta[tensor], roots[tensor], corrections[tensor], one, two, eps};
  }
};

}  // namespace orthokit::cuda
