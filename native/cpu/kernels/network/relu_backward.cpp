#include "ops/network/relu_backward.h"

#include "cpu/chunks.h"
#include "cpu/widened.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void relu_backward(const ReluBackward& op, Stream& stream) {
  visit(op.x.dtype, [&]<class T>() {
    const bool adds = op.beta != 0;
    const T *grad = op.grad.as<T>(), *x = op.x.as<T>();
    T* out = op.out.as<T>();
    for_rows(stream, op.x.size(), 1, [=](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        const T g = grad[i];  // read in any case: a branch for it would often be mispredicted
        const T result = x[i] > 0 ? g : T(0);
        out[i] = adds ? result + out[i] : result;
      }
    });
  });
}
ORTHOKIT_WIDE_KERNEL(ReluBackward, relu_backward);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
