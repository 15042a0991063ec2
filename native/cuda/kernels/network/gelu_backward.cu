#include "cuda/elementwise.cuh"
#include "cuda/gelu.cuh"
#include "cuda/widened.cuh"
#include "ops/network/gelu_backward.h"

namespace orthokit::cuda {

template <class Form>
struct GradTimesSlope {
  template <class T>
  __device__ T operator()(T grad, T x) const {
    return T(double(grad) * Form::slope(double(x)));
  }
};

static void gelu_backward(const GeluBackward& op, Stream& stream) {
  const Lists lists(stream, {{op.out}, {op.grad}, {op.x}});
  const auto run = [&]<class Form>(Form) {
    if (op.beta == 0)
      for_elements<2>(stream, lists, GradTimesSlope<Form>{});
    else
      for_elements<2, true>(stream, lists, GradTimesSlope<Form>{});
  };
  if (op.form == GeluForm::kErf)
    run(ErfGelu{});
  else
    run(TanhGelu{});
}
ORTHOKIT_WIDE_KERNEL(GeluBackward, gelu_backward);

}  // namespace orthokit::cuda
