#include "ops/network/layer_norm.h"

#include "bench/reference/network/shared/row_moments.h"

namespace orthokit::bench {

static void layer_norm(const LayerNorm& op) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  for (int64_t i = 0; i < rows; ++i) {
    const double* x = values(op.x) + i * columns;
    const auto [mean, deviation] = moments_of(x, columns, op.eps);
    for (int64_t j = 0; j < columns; ++j)
      values(op.out)[i * columns + j] =
          (x[j] - mean) / deviation * (op.weight ? values(op.weight)[j] : 1) +
          (op.bias ? values(op.bias)[j] : 0);
  }
}
ORTHOKIT_REFERENCE(LayerNorm, layer_norm, growth_of_rows(op.x, 2));

}  // namespace orthokit::bench
