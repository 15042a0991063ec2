#include "ops/optimizers/carry_rows.h"

#include <algorithm>

#include "bench/reference/optimizers/shared/step.h"

namespace orthokit::bench {

static void carry_rows(const CarryRows& op) {
  const int64_t step = int64_t(*values(op.steps)) + 1, count = op.indices.shape[1];
  if (is_held(op.guard) || (step != 1 && step % op.gap != 0)) return;
  for (int64_t b = 0; b < op.indices.shape[0]; ++b) {
    double* indices = values(op.indices) + b * count;
    const Vector before(indices, indices + count);
    std::copy_n(values(op.chosen) + b * count, count, indices);
    std::sort(indices, indices + count);
    for (const View& state : op.states) {
      const int64_t columns = state.shape[2];
      double* rows = values(state) + b * count * columns;
      const Vector old(rows, rows + count * columns);
      for (int64_t p = 0; p < count; ++p) {
        const int64_t from = std::ranges::find(before, indices[p]) - before.begin();
        for (int64_t j = 0; j < columns; ++j)
          rows[p * columns + j] = from < count ? old[size_t(from * columns + j)] : 0;
      }
    }
  }
}
ORTHOKIT_REFERENCE(CarryRows, carry_rows, kExact);

}  // namespace orthokit::bench
