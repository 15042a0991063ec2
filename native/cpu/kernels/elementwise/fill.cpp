#include "ops/elementwise/fill.h"

#include "cpu/chunks.h"
#include "cpu/convert.h"
#include "cpu/strips.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void fill(const Fill& op, Stream& stream) {
  const Chunks chunks(op.x, stream);
  chunks.run([&](const Chunk& c) {
    visit_storage(op.x[c.tensor].dtype, [&]<class T>() {
      T* out = op.x[c.tensor].as<T>() + c.begin;
      const T value = convert<T>(op.value);
      write_strips(
          c.size, out, streams_to(op.x[c.tensor], out),
          [=](int64_t first, int64_t last, T* to) { std::fill_n(to, last - first, value); });
    });
  });
}
ORTHOKIT_KERNEL(Fill, fill);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
