#include "ops/elementwise/divide.h"

#include "cpu/elementwise.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void divide(const Divide& op, Stream& stream) {
  for_elements([](auto x, auto y) { return x / y; }, op.out, op.x, op.y, stream);
}
ORTHOKIT_KERNEL(Divide, divide);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
