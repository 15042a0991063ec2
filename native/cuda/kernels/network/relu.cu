#include "cuda/elementwise.cuh"
#include "cuda/widened.cuh"
#include "ops/network/relu.h"

namespace orthokit::cuda {

struct PositivePart {
  template <class T>
  __device__ T operator()(T x) const {
    return x <= 0 ? T(0) : x;  // NaN is not below 0
  }
};

static void relu(const Relu& op, Stream& stream) {
  const Lists lists(stream, {{op.out}, {op.x}});
  for_elements<1>(stream, lists, PositivePart{});
}
ORTHOKIT_WIDE_KERNEL(Relu, relu);

}  // namespace orthokit::cuda
