#include "ops/network/layer_norm_backward.h"

#include <algorithm>

#include "bench/reference/network/shared/row_moments.h"

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

// Of few columns, h is the same whatever x is (−1 and 1 of two), and the three terms of the
// gradient cancel whatever grad is.
static double terms_of(const LayerNormBackward& op, std::string_view tensor, int64_t j) {
  const int64_t columns = op.x.shape[1], row = j / columns;
  if (tensor != "gradX" || columns > 4) return 0;
  double largest = 0;
  for (int64_t k = 0; k < columns; ++k) {
    const double weight = op.weight ? values(op.weight)[k] : 1;
    largest = std::max(largest, std::abs(values(op.grad)[row * columns + k] * weight));
  }
  return largest / moments_of(values(op.x) + row * columns, columns, op.eps).deviation;
}
ORTHOKIT_TERMS(LayerNormBackward, terms_of);

}  // namespace orthokit::bench
