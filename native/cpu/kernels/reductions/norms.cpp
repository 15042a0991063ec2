#include "ops/reductions/norms.h"

#include <cmath>

#include "cpu/chunks.h"
#include "cpu/convert.h"
#include "cpu/sums.h"
#include "ops/shared/square_range.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Of x · scale, a power of two.
template <class T>
static double chunk_squares(const View& x, const Chunk& c, T scale = 1) {
  T buffer[kBlock];
  double sum = 0;
  for (int64_t done = 0; done < c.size; done += kBlock) {
    const int64_t n = std::min(kBlock, c.size - done);
    const T* block = load(x, c.begin + done, n, buffer);
    if (scale != 1) {
      for (int64_t i = 0; i < n; ++i) buffer[i] = scale * block[i];
      block = buffer;
    }
    sum += sum_of_squares(block, n);
  }
  return sum;
}

void norms(const Norms& op, Stream& stream) {
  const Chunks chunks(op.x, stream);
  auto* partial = stream.scratch<double>(chunks.count());
  chunks.run([&](const Chunk& c) {
    const View& x = op.x[c.tensor];
    partial[c.index] =
        x.dtype == Dtype::kF64 ? chunk_squares<double>(x, c) : chunk_squares<float>(x, c);
  });
  auto *norm = op.out.as<double>(), *scales = stream.scratch<double>(op.x.count);
  bool is_over = true;
  chunks.reduce(partial, [&](int64_t t, double sum) {
    norm[t] = std::sqrt(sum), scales[t] = op.x[t].dtype == Dtype::kF64 ? scale_for(sum) : 1;
    is_over = is_over && scales[t] == 1;
  });
  if (!is_over) {
    chunks.run([&](const Chunk& c) {
      const double scale = scales[c.tensor];
      if (scale != 1) partial[c.index] = chunk_squares<double>(op.x[c.tensor], c, scale);
    });
    chunks.reduce(partial, [&](int64_t t, double sum) {
      if (scales[t] != 1) norm[t] = std::sqrt(sum) / scales[t];
    });
  }
  if (op.result == NormResult::kNorm) return;
  for (int64_t t = 0; t < op.x.count; ++t) {
    const double inverse = norm[t] == 0 ? 0 : 1 / (op.scale * norm[t] + op.eps);
    const double most = op.x[t].dtype == Dtype::kF64 ? HUGE_VAL : std::numeric_limits<float>::max();
    norm[t] = std::min(inverse, most);
  }
}
ORTHOKIT_KERNEL(Norms, norms);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
