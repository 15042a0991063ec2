#include "ops/elementwise/cast.h"

#include "cpu/chunks.h"
#include "cpu/convert.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void cast(const Cast& op, Stream& stream) {
  const Chunks chunks(op.out, stream);
  chunks.run(
      [&](const Chunk& c) { convert_elements(op.x[c.tensor], op.out[c.tensor], c.begin, c.size); });
}
ORTHOKIT_KERNEL(Cast, cast);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
