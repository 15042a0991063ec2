#include "ops/network/rms_norm_backward.h"

#include "bench/reference/network/shared/root_mean_square.h"

namespace orthokit::bench {

// body(element, column, g, h, mean(g ⊙ h) h, root) for every element.
static void for_elements(const RmsNormBackward& op, auto&& body) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  for (int64_t i = 0; i < rows; ++i) {
    const double *grad = values(op.grad) + i * columns, *x = values(op.x) + i * columns;
    const double root = root_mean_square(x, columns, op.eps);
    const auto g = [&](int64_t j) { return grad[j] * (op.weight ? values(op.weight)[j] : 1); };
    double slope = 0;
    for (int64_t j = 0; j < columns; ++j) slope += g(j) * (x[j] / root) / double(columns);
    for (int64_t j = 0; j < columns; ++j)
      body(i * columns + j, j, g(j), x[j] / root, slope * (x[j] / root), root);
  }
}

static void rms_norm_backward(const RmsNormBackward& op) {
  const int64_t columns = row_length(op.x);
  std::vector<double> by_x(size_t(op.x.size()), 0.0), by_weight(size_t(columns), 0.0);
  for_elements(op, [&](int64_t e, int64_t j, double g, double h, double mean, double root) {
    by_x[size_t(e)] = (g - mean) / root, by_weight[size_t(j)] += values(op.grad)[e] * h;
  });
  const auto add = [](const std::vector<double>& result, const View& out, double beta) {
    for (int64_t j = 0; out && j < out.size(); ++j)
      values(out)[j] = result[size_t(j)] + (beta == 0 ? 0 : beta * values(out)[j]);
  };
  add(by_x, op.grad_x, op.beta_x), add(by_weight, op.grad_weight, op.beta_weight);
}
ORTHOKIT_REFERENCE(RmsNormBackward, rms_norm_backward, growth_of_rows(op.x, 6));

// The two terms of gradX, which cancel whatever grad is where a row is one number.
static std::vector<double> terms_of(const RmsNormBackward& op, std::string_view tensor) {
  std::vector<double> terms;
  if (tensor == "gradX")
    for_elements(op, [&](int64_t, int64_t, double g, double, double mean, double root) {
      terms.push_back((std::abs(g) + std::abs(mean)) / root);
    });
  return terms;
}
ORTHOKIT_TERMS(RmsNormBackward, terms_of);

}  // namespace orthokit::bench
