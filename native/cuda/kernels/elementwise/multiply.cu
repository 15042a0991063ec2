#include "cuda/elementwise.cuh"
#include "cuda/widened.cuh"
#include "ops/elementwise/multiply.h"

namespace orthokit::cuda {

struct Product {
  template <class T>
  __device__ T operator()(T x, T y) const {
    return x * y;
  }
};

static void multiply(const Multiply& op, Stream& stream) {
  const Lists lists(stream, {op.out, op.x, op.y});
  for_elements<2>(stream, lists, Product{});
}
ORTHOKIT_WIDE_KERNEL(Multiply, multiply);

}  // namespace orthokit::cuda
