#include "ops/optimizers/commit.h"

#include "cpu/kernels/optimizers/shared/step.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void commit(const Commit& op, Stream& stream) {
  if (is_held(op.guard)) return;
  const Chunks chunks(op.state, stream);
  chunks.run([&](const Chunk& c) {
    visit_storage(op.x[c.tensor].dtype, [&]<class From>() {
      visit_storage(op.state[c.tensor].dtype, [&]<class To>() {
        const From* from = op.x[c.tensor].as<From>() + c.begin;
        To* to = op.state[c.tensor].as<To>() + c.begin;
        for (int64_t i = 0; i < c.size; ++i) to[i] = convert<To>(from[i]);
      });
    });
  });
}
ORTHOKIT_KERNEL(Commit, commit);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
