#include "ops/elementwise/copy.h"

#include <cstring>

#include "cpu/chunks.h"
#include "cpu/streaming.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void copy(const Copy& op, Stream& stream) {
  const Chunks chunks(op.out, stream);
  chunks.run([&](const Chunk& c) {
    const int64_t bytes = bytes_of(op.x[c.tensor].dtype), at = c.begin * bytes;
    const auto* x = op.x[c.tensor].as<std::byte>() + at;
    auto* out = op.out[c.tensor].as<std::byte>() + at;
    if (streams_to(op.out[c.tensor], out, x))
      stream_copy(out, x, c.size * bytes);
    else
      std::memcpy(out, x, size_t(c.size * bytes));
  });
}
ORTHOKIT_KERNEL(Copy, copy);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
