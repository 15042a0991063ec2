#include "ops/optimizers/commit.h"

#include "cpu/kernels/optimizers/shared/step.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void commit(const Commit& op, Stream& stream) {
  if (is_held(op.guard)) return;
  const Chunks chunks(op.state, stream);
  chunks.run([&](const Chunk& c) {
    convert_elements(op.x[c.tensor], op.state[c.tensor], c.begin, c.size);
  });
}
ORTHOKIT_KERNEL(Commit, commit);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
