#include "ops/random/axpy_random.h"

#include "bench/reference/random/shared/numbers.h"

namespace orthokit::bench {

// Number g of direction j, as the dtype holds it.
static double direction(const AxpyRandom& op, Dtype dtype, int64_t j, uint64_t g) {
  const Random random{.x = {}, .seed = op.seed, .stream = op.stream + j};
  if (op.distribution == Distribution::kRademacher) return word(random, g) >> 31 ? -1 : 1;
  const double z = normal(random, dtype, g);
  switch (dtype) {
    case Dtype::kF32:
      return float(z);
    case Dtype::kF16:
      return to_float(to_half(to_float_odd(z)));
    case Dtype::kBf16:
      return to_float(to_bfloat16(to_float_odd(z)));
    default:
      return z;
  }
}

static void axpy_random(const AxpyRandom& op) {
  auto g = uint64_t(op.offset);
  double floored = 0;
  for (int64_t t = 0; t < op.x.count; ++t)
    for (int64_t i = 0; i < op.x[t].size(); ++i, ++g) {
      double sum = values(op.x[t])[i];
      for (int64_t j = 0; j < op.factors.count; ++j)
        sum += op.factors[j] * direction(op, op.x[t].dtype, j, g);
      floored += sum < op.least;
      values(op.out[t])[i] = sum < op.least ? op.least : sum;
    }
  if (op.floored) *values(op.floored) += floored;
}
// Of normal numbers the last bits depend on the log, the sine and the cosine, as in random.cpp.
ORTHOKIT_REFERENCE(AxpyRandom, axpy_random, op.distribution == Distribution::kNormal ? 4 : 2);

}  // namespace orthokit::bench
