#include "cuda/step.cuh"

namespace orthokit::cuda {

static __global__ void __launch_bounds__(kThreads)
    count_steps_kernel(const Operand* steps, int count, const double* guard) {
  const int i = int(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < count && !is_held(guard)) ++*steps[i].as<int32_t>();
}

void count_steps(const Step& step, const Operand* steps, Stream& stream) {
  const int count = int(step.weights.count);
  if (count == 0) return;
  launch(stream, count_steps_kernel, {dim3(unsigned(count + kThreads - 1) / kThreads), kThreads},
         steps, count, step.guard.as<double>());
}

}  // namespace orthokit::cuda
