#include "ops/elementwise/clip_each.h"

#include "cpu/chunks.h"
#include "cpu/convert.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T>
static void clip_chunk(const ClipEach& op, const Chunk& c) {
  const View &from = op.x[c.tensor], &to = op.out[c.tensor];
  const T limit = T(op.limits.as<double>()[op.limit_of(c.tensor)]);
  T buffer[kBlock], clipped[kBlock];
  for (int64_t done = 0; done < c.size; done += kBlock) {
    const int64_t at = c.begin + done, n = std::min(kBlock, c.size - done);
    const T* x = load(from, at, n, buffer);
    T* out = target(to, at, clipped);
    for (int64_t i = 0; i < n; ++i)
      out[i] = std::abs(x[i]) > limit ? std::copysign(limit, x[i]) : x[i];
    store(to, at, n, static_cast<const T*>(out));
  }
}

void clip_each(const ClipEach& op, Stream& stream) {
  const Chunks chunks(op.out, stream);
  chunks.run([&](const Chunk& c) {
    op.x[c.tensor].dtype == Dtype::kF64 ? clip_chunk<double>(op, c) : clip_chunk<float>(op, c);
  });
}
ORTHOKIT_KERNEL(ClipEach, clip_each);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
