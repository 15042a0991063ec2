#include "ops/reductions/dots.h"

#include "cpu/chunks.h"
#include "cpu/convert.h"
#include "cpu/sums.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T>
static double chunk_dot(const View& x, const View& y, const Chunk& c) {
  T x_buffer[kBlock], y_buffer[kBlock];
  double sum = 0;
  for (int64_t done = 0; done < c.size; done += kBlock) {
    const int64_t n = std::min(kBlock, c.size - done);
    const T *a = load(x, c.begin + done, n, x_buffer), *b = load(y, c.begin + done, n, y_buffer);
    sum += sum_of(n, [=](int64_t i) { return double(a[i]) * double(b[i]); });
  }
  return sum;
}

// Elements of a y that all pairs share and that caches of a processor do not keep.
constexpr int64_t kLong = 16 * kChunk;

static bool is_shared(const Dots& op) {
  if (op.x.count < 2 || op.y[0].size() < kLong) return false;
  for (int64_t t = 1; t < op.y.count; ++t)
    if (op.y[t].data != op.y[0].data || op.y[t].dtype != op.y[0].dtype) return false;
  return true;
}

void dots(const Dots& op, Stream& stream) {
  const Chunks chunks(op.x, stream);
  auto* partial = stream.scratch<double>(chunks.count());
  const auto work = [&](const Chunk& c) {
    const View &x = op.x[c.tensor], &y = op.y[c.tensor];
    const bool wide = x.dtype == Dtype::kF64 || y.dtype == Dtype::kF64;
    partial[c.index] = wide ? chunk_dot<double>(x, y, c) : chunk_dot<float>(x, y, c);
  };
  // Vectors with the same one: all of them a chunk at a time, so that y comes from memory once.
  if (is_shared(op)) {
    const int64_t size = op.y[0].size();
    stream.parallel(chunks.begin(1), [&](int64_t i) {
      const int64_t at = i * kChunk;
      for (int64_t t = 0; t < op.x.count; ++t)
        work({chunks.begin(t) + i, t, at, std::min(kChunk, size - at)});
    });
  } else {
    chunks.run(work);
  }
  chunks.reduce(partial, [&](int64_t t, double sum) { op.out.as<double>()[t] = sum; });
}
ORTHOKIT_KERNEL(Dots, dots);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
