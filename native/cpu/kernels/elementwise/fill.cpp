#include "ops/elementwise/fill.h"

#include "cpu/chunks.h"
#include "cpu/convert.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void fill(const Fill& op, Stream& stream) {
  const Chunks chunks(op.x, stream);
  chunks.run([&](const Chunk& c) {
    visit_storage(op.x[c.tensor].dtype, [&]<class T>() {
      std::fill_n(op.x[c.tensor].as<T>() + c.begin, c.size, convert<T>(op.value));
    });
  });
}
ORTHOKIT_KERNEL(Fill, fill);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
