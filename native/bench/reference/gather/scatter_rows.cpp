#include "ops/gather/scatter_rows.h"

#include <algorithm>

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void scatter_rows(const ScatterRows& op) {
  const int64_t rows = op.out.shape[0], count = op.index.size();
  const int64_t size = count > 0 ? op.x.size() / count : 0;
  if (op.beta == 0) std::fill_n(values(op.out), op.out.size(), 0.0);
  for (int64_t i = 0; i < count; ++i) {
    const auto row = int64_t(values(op.index)[i]);
    if (row < 0 || row >= rows) continue;
    for (int64_t j = 0; j < size; ++j) {
      double& out = values(op.out)[row * size + j];
      const double x = values(op.x)[i * size + j];
      out = op.mode == ScatterMode::kAdd ? out + x : x;
    }
  }
}
ORTHOKIT_REFERENCE(ScatterRows, scatter_rows,
                   op.mode == ScatterMode::kSet  ? kExact
                   : op.out.dtype == Dtype::kF64 ? 64
                                                 : 1);

}  // namespace orthokit::bench
