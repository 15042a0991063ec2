#include "ops/random/random.h"

#include "cpu/chunks.h"
#include "cpu/kernels/random/shared/numbers.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void random(const Random& op, Stream& stream) {
  const RandomNumbers numbers{uint64_t(op.seed), uint64_t(op.stream), op.distribution};
  const uint64_t* first = first_elements(op.x, op.offset, stream);
  const Chunks chunks(op.x, stream);
  chunks.run([&](const Chunk& c) {
    visit_storage(op.x[c.tensor].dtype, [&]<class T>() {
      if constexpr (!std::is_same_v<T, uint8_t>) {
        T* out = op.x[c.tensor].as<T>();
        for (int64_t at = c.begin; at < c.begin + c.size; at += kBlock)
          numbers.fill(first[c.tensor] + uint64_t(at), std::min(kBlock, c.begin + c.size - at),
                       out + at);
      }
    });
  });
}
ORTHOKIT_KERNEL(Random, random);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
