#include "ops/random/random.h"

#include "bench/reference/random/shared/numbers.h"

namespace orthokit::bench {

static void random(const Random& op) {
  auto g = uint64_t(op.offset);
  for (auto& x : op.x)
    for (int64_t i = 0; i < x.size(); ++i, ++g)
      values(x)[i] = op.distribution == Distribution::kBits         ? int32_t(word(op, g))
                     : op.distribution == Distribution::kRademacher ? (word(op, g) >> 31 ? -1 : 1)
                     : op.distribution == Distribution::kUniform    ? uniform(op, x.dtype, g)
                                                                    : normal(op, x.dtype, g);
}
ORTHOKIT_REFERENCE(Random, random, op.distribution == Distribution::kNormal ? 4 : kExact);

}  // namespace orthokit::bench
