#include "ops/network/relu_backward.h"

#include "cpu/chunks.h"
#include "cpu/strips.h"
#include "cpu/widened.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void relu_backward(const ReluBackward& op, Stream& stream) {
  visit(op.x.dtype, [&]<class T>() {
    const bool adds = op.beta != 0;
    const T *grad = op.grad.as<T>(), *x = op.x.as<T>();
    T* out = op.out.as<T>();
    for_rows(stream, op.x.size(), 1, [=, &op](int64_t first, int64_t last) {
      const T *g = grad + first, *v = x + first;
      const auto slope = [=](int64_t i) {
        const T read = g[i];  // in any case: a branch for it would often be mispredicted
        return v[i] > 0 ? read : T(0);
      };
      put_strips(last - first, out + first, streams_to(op.out, out + first, g, v), adds, slope, g,
                 v);
    });
  });
}
ORTHOKIT_WIDE_KERNEL(ReluBackward, relu_backward);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
