#include "ops/segment_reduce.h"

#include "cpu/chunks.h"
#include "cpu/convert.h"
#include "cpu/reduction.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

namespace {
struct Results {
  double sum = 0, sizes = 0, largest = 0, xx = 0, xy = 0, yy = 0;
  Results& operator+=(const Results& other) {
    sum += other.sum, sizes += other.sizes, largest = larger(largest, other.largest);
    xx += other.xx, xy += other.xy, yy += other.yy;
    return *this;
  }
};
}  // namespace

// Blocks stay in L1, so that only the first of the loops over one waits for memory.
template <class T>
static Results chunk_results(const View& x, const View* y, const Chunk& c) {
  T x_buffer[kBlock], y_buffer[kBlock], sizes[kBlock];
  Results total;
  for (int64_t done = 0; done < c.size; done += kBlock) {
    const int64_t n = std::min(kBlock, c.size - done);
    const T* a = load(x, c.begin + done, n, x_buffer);
    for (int64_t i = 0; i < n; ++i) sizes[i] = std::abs(a[i]);
    Results block;
    block.sum = sum_of(n, [=](int64_t i) { return double(a[i]); });
    block.sizes = sum_of(n, [&](int64_t i) { return double(sizes[i]); });
    block.largest = double(max_or_nan(sizes, n));
    block.xx = sum_of_squares(a, n);
    if (y) {
      const T* b = load(*y, c.begin + done, n, y_buffer);
      block.xy = sum_of(n, [=](int64_t i) { return double(a[i]) * double(b[i]); });
      block.yy = sum_of_squares(b, n);
    }
    total += block;
  }
  return total;
}

void segment_reduce(const SegmentReduce& op, Stream& stream) {
  const Chunks chunks(op.x, stream);
  auto* partial = stream.scratch<Results>(chunks.count());
  chunks.run([&](const Chunk& c) {
    const View &x = op.x[c.tensor], *y = op.y.count > 0 ? &op.y[c.tensor] : nullptr;
    const bool wide = x.dtype == Dtype::kF64 || (y && y->dtype == Dtype::kF64);
    partial[c.index] = wide ? chunk_results<double>(x, y, c) : chunk_results<float>(x, y, c);
  });
  const int64_t width = op.out.shape[1];
  chunks.reduce(partial, [&](int64_t t, const Results& r) {
    const double results[] = {r.sum, r.sizes, r.largest, r.xx, r.xy, r.yy};
    std::copy_n(results, width, op.out.as<double>() + t * width);
  });
}
ORTHOKIT_KERNEL(SegmentReduce, segment_reduce);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
