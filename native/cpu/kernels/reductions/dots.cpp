#include "ops/reductions/dots.h"

#include "cpu/ask_for.h"
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
constexpr int64_t kStreams = 8;  // vectors that memory gives at once

static bool is_shared(const Dots& op) {
  if (op.x.count < 2 || op.y[0].size() < kLong) return false;
  for (int64_t t = 1; t < op.y.count; ++t)
    if (op.y[t].data != op.y[0].data || op.y[t].size() != op.y[0].size() ||
        op.y[t].dtype != op.y[0].dtype || op.x[t].dtype != op.x[0].dtype)
      return false;
  return true;
}

// The products of elements `begin` to `begin` + size of some x with y, summed as chunk_dot does.
template <class T>
static void chunk_dots(const View* x, int64_t count, const View& y, int64_t begin, int64_t size,
                       double* sums) {
  T x_buffer[kBlock];
  double y_buffer[kBlock];
  std::fill_n(sums, count, 0.0);
  for (int64_t done = 0; done < size; done += kBlock) {
    const int64_t n = std::min(kBlock, size - done);
    const double* b = load(y, begin + done, n, y_buffer);
    for (int64_t t = 0; t < count; ++t) {
      const T* a = load(x[t], begin + done, n, x_buffer);
      // Other vectors come before the next block of this one, too many for the processor to ask
      // memory for it by itself.
      const int64_t width = bytes_of(x[t].dtype);
      const auto* next = static_cast<const char*>(x[t].data) + (begin + done + kBlock) * width;
      sums[t] += sum_of(
          n, [=](int64_t i) { return double(a[i]) * b[i]; },
          [=](int64_t i) { ask_for(next + i * width, kSums * width); });
    }
  }
}

void dots(const Dots& op, Stream& stream) {
  const Chunks chunks(op.x, stream);
  auto* partial = stream.scratch<double>(chunks.count());
  if (is_shared(op)) {
    // All vectors a chunk at a time, so that y comes from memory once.
    const View& y = op.y[0];
    const bool wide = op.x[0].dtype == Dtype::kF64 || y.dtype == Dtype::kF64;
    stream.parallel(chunks.begin(1), [&](int64_t i) {
      const int64_t at = i * kChunk, size = std::min(kChunk, y.size() - at);
      double sums[kStreams];
      for (int64_t first = 0; first < op.x.count; first += kStreams) {
        const int64_t count = std::min(kStreams, op.x.count - first);
        const View* x = &op.x[first];
        wide ? chunk_dots<double>(x, count, y, at, size, sums)
             : chunk_dots<float>(x, count, y, at, size, sums);
        for (int64_t t = 0; t < count; ++t) partial[chunks.begin(first + t) + i] = sums[t];
      }
    });
  } else {
    chunks.run([&](const Chunk& c) {
      const View &x = op.x[c.tensor], &y = op.y[c.tensor];
      const bool wide = x.dtype == Dtype::kF64 || y.dtype == Dtype::kF64;
      partial[c.index] = wide ? chunk_dot<double>(x, y, c) : chunk_dot<float>(x, y, c);
    });
  }
  chunks.reduce(partial, [&](int64_t t, double sum) { op.out.as<double>()[t] = sum; });
}
ORTHOKIT_KERNEL(Dots, dots);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
