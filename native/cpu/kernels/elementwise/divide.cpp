#include "ops/elementwise/divide.h"

#include "cpu/chunks.h"
#include "cpu/strips.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void divide(const Divide& op, Stream& stream) {
  const Chunks chunks(op.out, stream);
  chunks.run([&](const Chunk& c) {
    visit(op.out[c.tensor].dtype, [&]<class T>() {
      const T *x = op.x[c.tensor].as<T>() + c.begin, *y = op.y[c.tensor].as<T>() + c.begin;
      T* out = op.out[c.tensor].as<T>() + c.begin;
      set_strips(
          c.size, out, streams_to(op.out[c.tensor], out, x, y),
          [=](int64_t i) { return x[i] / y[i]; }, x, y);
    });
  });
}
ORTHOKIT_KERNEL(Divide, divide);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
