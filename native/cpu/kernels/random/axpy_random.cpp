#include "ops/random/axpy_random.h"

#include "cpu/chunks.h"
#include "cpu/kernels/random/shared/numbers.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// n elements, at most kBlock, of a tensor from `at` on, which begins at element `first` of the
// sequence. How many of them `least` has raised.
template <class T>
static int64_t add_random(const AxpyRandom& op, const T* x, uint64_t first, int64_t n, T* out) {
  double sums[kBlock];
  T z[kBlock];
  for (int64_t i = 0; i < n; ++i) sums[i] = convert<double>(x[i]);
  for (int64_t j = 0; j < op.factors.count; ++j) {
    RandomNumbers{uint64_t(op.seed), uint64_t(op.stream + j), op.distribution}.fill(first, n, z);
    const double factor = op.factors[j];
    for (int64_t i = 0; i < n; ++i) sums[i] += factor * convert<double>(z[i]);
  }
  int64_t floored = 0;
  for (int64_t i = 0; i < n; ++i) {
    const bool is_low = sums[i] < op.least;
    floored += is_low;
    out[i] = convert<T>(is_low ? op.least : sums[i]);
  }
  return floored;
}

void axpy_random(const AxpyRandom& op, Stream& stream) {
  const uint64_t* first = first_elements(op.x, op.offset, stream);
  const Chunks chunks(op.x, stream);
  int64_t* floored = stream.scratch<int64_t>(chunks.count());
  chunks.run([&](const Chunk& c) {
    visit_storage(op.x[c.tensor].dtype, [&]<class T>() {
      if constexpr (!std::is_integral_v<T>) {
        const T* x = op.x[c.tensor].as<T>();
        T* out = op.out[c.tensor].as<T>();
        int64_t count = 0;
        for (int64_t at = c.begin; at < c.begin + c.size; at += kBlock)
          count += add_random(op, x + at, first[c.tensor] + uint64_t(at),
                              std::min(kBlock, c.begin + c.size - at), out + at);
        floored[c.index] = count;
      }
    });
  });
  if (!op.floored) return;
  int64_t total = 0;
  for (int64_t i = 0; i < chunks.count(); ++i) total += floored[i];
  *op.floored.as<double>() += double(total);
}
ORTHOKIT_KERNEL(AxpyRandom, axpy_random);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
