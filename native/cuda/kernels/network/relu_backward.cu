#include "cuda/elementwise.cuh"
#include "cuda/widened.cuh"
#include "ops/network/relu_backward.h"

namespace orthokit::cuda {

struct GradWherePositive {
  template <class T>
  __device__ T operator()(T grad, T x) const {
    return x > 0 ? grad : T(0);
  }
};

static void relu_backward(const ReluBackward& op, Stream& stream) {
  const Lists lists(stream, {{op.out}, {op.grad}, {op.x}});
  if (op.beta == 0)
    for_elements<2>(stream, lists, GradWherePositive{});
  else
    for_elements<2, true>(stream, lists, GradWherePositive{});
}
ORTHOKIT_WIDE_KERNEL(ReluBackward, relu_backward);

}  // namespace orthokit::cuda
