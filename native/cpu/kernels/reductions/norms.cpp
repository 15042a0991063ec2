#include "ops/reductions/norms.h"

#include <cmath>

#include "cpu/chunks.h"
#include "cpu/convert.h"
#include "cpu/sums.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T>
static double chunk_squares(const View& x, const Chunk& c) {
  T buffer[kBlock];
  double sum = 0;
  for (int64_t done = 0; done < c.size; done += kBlock) {
    const int64_t n = std::min(kBlock, c.size - done);
    sum += sum_of_squares(load(x, c.begin + done, n, buffer), n);
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
  chunks.reduce(partial, [&](int64_t t, double sum) {
    const double norm = std::sqrt(sum), inverse = norm == 0 ? 0 : 1 / (op.scale * norm + op.eps);
    const double most = op.x[t].dtype == Dtype::kF64 ? HUGE_VAL : std::numeric_limits<float>::max();
    op.out.as<double>()[t] = op.result == NormResult::kNorm ? norm : std::min(inverse, most);
  });
}
ORTHOKIT_KERNEL(Norms, norms);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
