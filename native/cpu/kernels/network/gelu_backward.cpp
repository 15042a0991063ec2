#include "ops/network/gelu_backward.h"

#include "cpu/chunks.h"
#include "cpu/gelu.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class Form, class T>
static void gelu_backward(const GeluBackward& op, Stream& stream) {
  const T *grad = op.grad.as<T>(), *x = op.x.as<T>();
  T* out = op.out.as<T>();
  for_rows(stream, op.x.size(), 1, [=](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) out[i] = grad[i] * Form::slope(x[i]);
  });
}

void gelu_backward(const GeluBackward& op, Stream& stream) {
  visit(op.x.dtype, [&]<class T>() {
    op.form == GeluForm::kErf ? gelu_backward<ErfGelu, T>(op, stream)
                              : gelu_backward<TanhGelu, T>(op, stream);
  });
}
ORTHOKIT_KERNEL(GeluBackward, gelu_backward);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
