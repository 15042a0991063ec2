#include "ops/elementwise/divide.h"

#include "cpu/chunks.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void divide(const Divide& op, Stream& stream) {
  const Chunks chunks(op.out, stream);
  chunks.run([&](const Chunk& c) {
    visit(op.out[c.tensor].dtype, [&]<class T>() {
      const T *x = op.x[c.tensor].as<T>() + c.begin, *y = op.y[c.tensor].as<T>() + c.begin;
      T* out = op.out[c.tensor].as<T>() + c.begin;
      for (int64_t i = 0; i < c.size; ++i) out[i] = x[i] / y[i];
    });
  });
}
ORTHOKIT_KERNEL(Divide, divide);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
