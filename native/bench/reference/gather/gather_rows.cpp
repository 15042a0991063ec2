#include "ops/gather/gather_rows.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void gather_rows(const GatherRows& op) {
  const int64_t rows = op.x.shape[0], count = op.index.size();
  const int64_t size = count > 0 ? op.out.size() / count : 0;
  for (int64_t i = 0; i < count; ++i) {
    const auto row = int64_t(values(op.index)[i]);
    for (int64_t j = 0; j < size; ++j)
      values(op.out)[i * size + j] = row >= 0 && row < rows ? values(op.x)[row * size + j]
                                     : is_floating(op.x)    ? NAN
                                                            : 0;
  }
}
ORTHOKIT_REFERENCE(GatherRows, gather_rows, kExact);

}  // namespace orthokit::bench
