#include "ops/elementwise/multiply.h"

#include "cpu/elementwise.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void multiply(const Multiply& op, Stream& stream) {
  for_elements([](auto x, auto y) { return x * y; }, op.out, op.x, op.y, stream);
}
ORTHOKIT_KERNEL(Multiply, multiply);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
