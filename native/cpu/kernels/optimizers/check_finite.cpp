#include "ops/optimizers/check_finite.h"

#include "cpu/chunks.h"
#include "cpu/convert.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T>
static bool is_finite(const View& x, const Chunk& c) {
  T buffer[kBlock];
  bool finite = true;
  for (int64_t done = 0; done < c.size; done += kBlock) {
    const int64_t n = std::min(kBlock, c.size - done);
    const T* values = load(x, c.begin + done, n, buffer);
    int bad = 0;
    for (int64_t i = 0; i < n; ++i)
      bad |= !(values[i] - values[i] == 0);  // NaN and infinity are not 0
    finite = finite && !bad;
  }
  return finite;
}

void check_finite(const CheckFinite& op, Stream& stream) {
  const Chunks chunks(op.x, stream);
  auto* bad = stream.scratch<int64_t>(chunks.count());
  chunks.run([&](const Chunk& c) {
    const View& x = op.x[c.tensor];
    bad[c.index] = x.dtype == Dtype::kF64 ? !is_finite<double>(x, c) : !is_finite<float>(x, c);
  });
  double tensors = 0;
  chunks.reduce(bad, [&](int64_t, int64_t count) { tensors += count > 0; });
  if (tensors > 0 && op.action == NonFinite::kThrow)
    throw Error(ErrorCode::kArgument, "grads are not finite in " +
                                          std::to_string(int64_t(tensors)) + " of " +
                                          std::to_string(op.x.count) + " tensors");
  *op.guard.as<double>() = tensors;
  if (op.skipped && tensors > 0) *op.skipped.as<double>() += 1;
}
ORTHOKIT_KERNEL(CheckFinite, check_finite);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
