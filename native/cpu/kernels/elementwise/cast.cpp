#include "ops/elementwise/cast.h"

#include "cpu/chunks.h"
#include "cpu/convert.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void cast(const Cast& op, Stream& stream) {
  const Chunks chunks(op.out, stream);
  chunks.run([&](const Chunk& c) {
    visit_storage(op.x[c.tensor].dtype, [&]<class From>() {
      visit_storage(op.out[c.tensor].dtype, [&]<class To>() {
        const From* from = op.x[c.tensor].as<From>() + c.begin;
        To* to = op.out[c.tensor].as<To>() + c.begin;
        for (int64_t i = 0; i < c.size; ++i) to[i] = convert<To>(from[i]);
      });
    });
  });
}
ORTHOKIT_KERNEL(Cast, cast);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
