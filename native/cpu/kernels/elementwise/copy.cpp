#include "ops/elementwise/copy.h"

#include <cstring>

#include "cpu/chunks.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void copy(const Copy& op, Stream& stream) {
  const Chunks chunks(op.out, stream);
  chunks.run([&](const Chunk& c) {
    const size_t bytes = bytes_of(op.x[c.tensor].dtype), at = size_t(c.begin) * bytes;
    std::memcpy(op.out[c.tensor].as<std::byte>() + at, op.x[c.tensor].as<std::byte>() + at,
                size_t(c.size) * bytes);
  });
}
ORTHOKIT_KERNEL(Copy, copy);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
