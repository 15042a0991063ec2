#include "cuda/elementwise.cuh"
#include "cuda/gelu.cuh"
#include "cuda/widened.cuh"
#include "ops/network/gelu.h"

namespace orthokit::cuda {

template <class Form>
struct GeluValue {
  template <class T>
  __device__ T operator()(T x) const {
    return T(Form::value(double(x)));
  }
};

static void gelu(const Gelu& op, Stream& stream) {
  const Lists lists(stream, {{op.out}, {op.x}});
  if (op.form == GeluForm::kErf)
    for_elements<1>(stream, lists, GeluValue<ErfGelu>{});
  else
    for_elements<1>(stream, lists, GeluValue<TanhGelu>{});
}
ORTHOKIT_WIDE_KERNEL(Gelu, gelu);

}  // namespace orthokit::cuda
