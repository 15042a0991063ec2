#include "ops/network/relu_backward.h"

#include "cpu/chunks.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void relu_backward(const ReluBackward& op, Stream& stream) {
  visit(op.x.dtype, [&]<class T>() {
    const T *grad = op.grad.as<T>(), *x = op.x.as<T>();
    T* out = op.out.as<T>();
    for_rows(stream, op.x.size(), 1, [=](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        const T g = grad[i];  // read in any case: a branch for it would often be mispredicted
        out[i] = x[i] > 0 ? g : T(0);
      }
    });
  });
}
ORTHOKIT_KERNEL(ReluBackward, relu_backward);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
