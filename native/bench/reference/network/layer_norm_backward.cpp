#include "ops/network/layer_norm_backward.h"

#include "bench/reference/network/shared/row_moments.h"

namespace orthokit::bench {

static void layer_norm_backward(const LayerNormBackward& op) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
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
    for (int64_t j = 0; j < columns; ++j) {
      double& out = values(op.grad_x)[i * columns + j];
      out = (g[size_t(j)] - shift / double(columns) - h[size_t(j)] * slope / double(columns)) /
                deviation +
            (op.beta_x == 0 ? 0 : out);
    }
  }
  for (int64_t j = 0; j < columns; ++j) {
    const auto set = [j](const View& v, double sum, double beta) {
      if (v) values(v)[j] = sum + (beta == 0 ? 0 : values(v)[j]);
    };
    set(op.grad_weight, by_weight[size_t(j)], op.beta_weight);
    set(op.grad_bias, by_bias[size_t(j)], op.beta_bias);
  }
}
ORTHOKIT_REFERENCE(LayerNormBackward, layer_norm_backward, growth_of_rows(op.x, 6));

// The three terms of the gradient, which cancel whatever grad is where h is the same whatever x is:
// −1 and 1 of two columns, or of two numbers in a row.
static std::vector<double> terms_of(const LayerNormBackward& op, std::string_view tensor) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  std::vector<double> terms;
  for (int64_t i = 0; i < rows && tensor == "gradX"; ++i) {
    const double *grad = values(op.grad) + i * columns, *x = values(op.x) + i * columns;
    const auto [mean, deviation] = moments_of(x, columns, op.eps);
    const auto g = [&](int64_t j) {
      return std::abs(grad[j] * (op.weight ? values(op.weight)[j] : 1));
    };
    const auto h = [&, mean = mean, deviation = deviation](int64_t j) {
      return std::abs(x[j] - mean) / deviation;
    };
    double shift = 0, slope = 0;
    for (int64_t j = 0; j < columns; ++j)
      shift += g(j) / double(columns), slope += g(j) * h(j) / double(columns);
    for (int64_t j = 0; j < columns; ++j)
      terms.push_back((g(j) + shift + h(j) * slope) / deviation);
  }
  return terms;
}
ORTHOKIT_TERMS(LayerNormBackward, terms_of);

}  // namespace orthokit::bench
