#include "ops/optimizers/commit.h"

#include "bench/reference/optimizers/shared/step.h"

namespace orthokit::bench {

static void commit(const Commit& op) {
  if (is_held(op.guard)) return;
  for (int64_t i = 0; i < op.state.count; ++i)
    std::copy_n(values(op.x[i]), op.x[i].size(), values(op.state[i]));
}
ORTHOKIT_REFERENCE(Commit, commit, kExact);

}  // namespace orthokit::bench
