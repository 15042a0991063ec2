#include "ops/layer_norm_backward.h"

#include "bench/reference/row_moments.h"

namespace orthokit::bench {

static void layer_norm_backward(const LayerNormBackward& op) {
  const int64_t rows = op.x.shape[0], columns = op.x.shape[1];
  std::vector<double> by_weight(size_t(columns), 0.0), by_bias(size_t(columns), 0.0);
  for (int64_t i = 0; i < rows; ++i) {
    const double *grad = values(op.grad) + i * columns, *x = values(op.x) + i * columns;
    const auto [mean, deviation] = moments_of(x, columns, op.eps);
    double shift = 0, slope = 0;
    std::vector<double> g(size_t(columns), 0.0), h(size_t(columns), 0.0);
    for (int64_t j = 0; j < columns; ++j) {
      const auto k = size_t(j);
      h[k] = (x[j] - mean) / deviation;
      g[k] = grad[j] * (op.weight ? values(op.weight)[j] : 1);
      shift += g[k], slope += g[k] * h[k];
      by_weight[k] += grad[j] * h[k], by_bias[k] += grad[j];
    }
    for (int64_t j = 0; j < columns; ++j)
      values(op.grad_x)[i * columns + j] =
          (g[size_t(j)] - shift / double(columns) - h[size_t(j)] * slope / double(columns)) /
          deviation;
  }
  for (int64_t j = 0; j < columns; ++j) {
    if (op.grad_weight) values(op.grad_weight)[j] = by_weight[size_t(j)];
    if (op.grad_bias) values(op.grad_bias)[j] = by_bias[size_t(j)];
  }
}
ORTHOKIT_REFERENCE(LayerNormBackward, layer_norm_backward, op.x.dtype == Dtype::kF64 ? 64 : 6);

}  // namespace orthokit::bench
