#include "ops/network/dropout.h"

#include "cpu/chunks.h"
#include "cpu/convert.h"
#include "cpu/fused.h"
#include "cpu/kernels/random/shared/philox.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T>
static void drop(const Dropout& op, int64_t at, int64_t n) {
  T buffer[kBlock], results[kBlock];
  uint32_t memory[kBlock + kPhiloxSpare];
  const uint32_t* words = philox_words(uint64_t(op.seed), uint64_t(op.stream),
                                       uint64_t(op.offset) + uint64_t(at), n, memory);
  const uint32_t threshold = op.threshold();
  const T scale = T(1 / (1 - op.rate)), beta = T(op.beta);
  const T* x = load(op.x, at, n, buffer);
  T* out = target(op.out, at, results);
  if (beta == 0) {
    for (int64_t i = 0; i < n; ++i) out[i] = words[i] >> 8 >= threshold ? x[i] * scale : T(0);
  } else {
    if (out == results) load(op.out, at, n, results);
    for (int64_t i = 0; i < n; ++i)
      out[i] = fused(beta, out[i], words[i] >> 8 >= threshold ? x[i] * scale : T(0));
  }
  store(op.out, at, n, static_cast<const T*>(out));
}

void dropout(const Dropout& op, Stream& stream) {
  for_rows(stream, op.x.size(), 1, [&](int64_t first, int64_t last) {
    for (int64_t at = first; at < last; at += kBlock) {
      const int64_t n = std::min(kBlock, last - at);
      op.x.dtype == Dtype::kF64 ? drop<double>(op, at, n) : drop<float>(op, at, n);
    }
  });
}
ORTHOKIT_KERNEL(Dropout, dropout);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
