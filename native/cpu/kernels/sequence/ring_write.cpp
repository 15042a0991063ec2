#include "ops/sequence/ring_write.h"

#include "cpu/chunks.h"
#include "cpu/convert.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void ring_write(const RingWrite& op, Stream& stream) {
  const int64_t slots = op.ring.shape[1], size = op.ring.shape[2];
  visit_storage(op.ring.dtype, [&]<class T>() {
    for_rows(stream, op.ring.shape[0], size, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        T* place = op.ring.as<T>() + (i * slots + op.slot) * size;
        if (op.old) std::copy_n(place, size, op.old.as<T>() + i * size);
        std::copy_n(op.x.as<T>() + i * size, size, place);
      }
    });
  });
}
ORTHOKIT_KERNEL(RingWrite, ring_write);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
