// Looks for NaN and infinity.
#pragma once
#include "cpu/chunks.h"
#include "cpu/convert.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T>
bool is_finite_chunk(const View& x, const Chunk& c) {
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

// The number of tensors that are not finite.
[[gnu::noinline]] inline double count_not_finite(const List<View>& tensors, Stream& stream) {
  const Chunks chunks(tensors, stream);
  auto* bad = stream.scratch<int64_t>(chunks.count());
  chunks.run([&](const Chunk& c) {
    const View& x = tensors[c.tensor];
    bad[c.index] =
        x.dtype == Dtype::kF64 ? !is_finite_chunk<double>(x, c) : !is_finite_chunk<float>(x, c);
  });
  double count = 0;
  chunks.reduce(bad, [&](int64_t, int64_t own) { count += own > 0; });
  return count;
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
