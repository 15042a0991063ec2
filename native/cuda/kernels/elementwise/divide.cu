#include "cuda/elementwise.cuh"
#include "cuda/widened.cuh"
#include "ops/elementwise/divide.h"

namespace orthokit::cuda {

struct Quotient {
  template <class T>
  __device__ T operator()(T x, T y) const {
    return x / y;
  }
};

static void divide(const Divide& op, Stream& stream) {
  const Lists lists(stream, {op.out, op.x, op.y});
  for_elements<2>(stream, lists, Quotient{});
}
ORTHOKIT_WIDE_KERNEL(Divide, divide);

}  // namespace orthokit::cuda
