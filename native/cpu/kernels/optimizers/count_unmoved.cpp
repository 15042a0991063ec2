#include "ops/optimizers/count_unmoved.h"

#include <limits>

#include "cpu/chunks.h"
#include "cpu/convert.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T>
static int64_t unmoved(const CountUnmoved& op, const Chunk& c) {
  const View& grads = op.grads[c.tensor];
  const auto *x = op.x[c.tensor].as<uint16_t>() + c.begin,
             *before = op.before[c.tensor].as<uint16_t>() + c.begin;
  T buffer[kBlock];
  int64_t count = 0;
  for (int64_t done = 0; done < c.size; done += kBlock) {
    const int64_t n = std::min(kBlock, c.size - done);
    const T* g = load(grads, c.begin + done, n, buffer);
    int own = 0;
    for (int64_t i = 0; i < n; ++i) own += (x[done + i] == before[done + i]) & !(g[i] == 0);
    count += own;
  }
  return count;
}

void count_unmoved(const CountUnmoved& op, Stream& stream) {
  const Chunks chunks(op.x, stream);
  auto* counts = stream.scratch<int64_t>(chunks.count());
  chunks.run([&](const Chunk& c) {
    counts[c.index] =
        op.grads[c.tensor].dtype == Dtype::kF64 ? unmoved<double>(op, c) : unmoved<float>(op, c);
  });
  const bool is_held = op.guard && *op.guard.as<double>() != 0;
  chunks.reduce(counts, [&](int64_t tensor, int64_t count) {
    op.out.as<double>()[tensor] =
        is_held ? std::numeric_limits<double>::quiet_NaN() : double(count);
  });
}
ORTHOKIT_KERNEL(CountUnmoved, count_unmoved);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
