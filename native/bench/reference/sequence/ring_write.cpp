#include "ops/sequence/ring_write.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void ring_write(const RingWrite& op) {
  const int64_t slots = op.ring.shape[1], size = op.ring.shape[2];
  for (int64_t i = 0; i < op.ring.shape[0]; ++i)
    for (int64_t j = 0; j < size; ++j) {
      double& place = values(op.ring)[(i * slots + op.slot) * size + j];
      if (op.old) values(op.old)[i * size + j] = place;
      place = values(op.x)[i * size + j];
    }
}
ORTHOKIT_REFERENCE(RingWrite, ring_write, kExact);

}  // namespace orthokit::bench
