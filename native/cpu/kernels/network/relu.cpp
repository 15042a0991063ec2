#include "ops/network/relu.h"

#include "cpu/chunks.h"
#include "cpu/strips.h"
#include "cpu/widened.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void relu(const Relu& op, Stream& stream) {
  visit(op.x.dtype, [&]<class T>() {
    const T* x = op.x.as<T>();
    T* out = op.out.as<T>();
    for_rows(stream, op.x.size(), 1, [=, &op](int64_t first, int64_t last) {
      const T* from = x + first;
      set_strips(
          last - first, out + first, streams_to(op.out, out + first, from),
          [=](int64_t i) { return from[i] <= 0 ? T(0) : from[i]; },  // NaN is not below 0
          from);
    });
  });
}
ORTHOKIT_WIDE_KERNEL(Relu, relu);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
