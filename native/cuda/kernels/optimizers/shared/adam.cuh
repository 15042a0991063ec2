// Numbers of a step with two moments that both began at zero.
#pragma once
#include "cuda/device/launch.cuh"
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

}  // namespace orthokit::cuda
