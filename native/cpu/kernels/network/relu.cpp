#include "ops/network/relu.h"

#include "cpu/chunks.h"
#include "cpu/widened.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void relu(const Relu& op, Stream& stream) {
  visit(op.x.dtype, [&]<class T>() {
    const T* x = op.x.as<T>();
    T* out = op.out.as<T>();
    for_rows(stream, op.x.size(), 1, [=](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i)
        out[i] = x[i] <= 0 ? T(0) : x[i];  // NaN is not below 0
    });
  });
}
ORTHOKIT_WIDE_KERNEL(Relu, relu);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
