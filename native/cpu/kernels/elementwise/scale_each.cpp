#include "ops/elementwise/scale_each.h"

#include "cpu/chunks.h"
#include "cpu/convert.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T>
static void scale_chunk(const ScaleEach& op, const Chunk& c) {
  const View &from = op.x[c.tensor], &to = op.out[c.tensor];
  const T factor = finite_factor<T>(op.factors.as<double>()[c.tensor]);
  T buffer[kBlock], scaled[kBlock];
  for (int64_t done = 0; done < c.size; done += kBlock) {
    const int64_t at = c.begin + done, n = std::min(kBlock, c.size - done);
    const T* x = load(from, at, n, buffer);
    T* out = target(to, at, scaled);
    for (int64_t i = 0; i < n; ++i) out[i] = factor * x[i];
    store(to, at, n, static_cast<const T*>(out));
  }
}

void scale_each(const ScaleEach& op, Stream& stream) {
  const Chunks chunks(op.out, stream);
  chunks.run([&](const Chunk& c) {
    if (op.x[c.tensor].dtype == Dtype::kF64 || op.out[c.tensor].dtype == Dtype::kF64)
      scale_chunk<double>(op, c);
    else
      scale_chunk<float>(op, c);
  });
}
ORTHOKIT_KERNEL(ScaleEach, scale_each);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
