#include "ops/network/conv2d_backward_input.h"

#include "bench/reference/network/shared/conv2d_products.h"

namespace orthokit::bench {

static void conv2d_backward_input(const Conv2dBackwardInput& op) {
  const double *grad = values(op.grad), *kernel = values(op.kernel);
  double* grad_x = values(op.grad_x);
  std::vector<double> sums(size_t(op.grad_x.size()), 0.0);
  for_conv2d_products(
      op.sizes(), [&](int64_t i, int64_t k, int64_t j) { sums[size_t(i)] += grad[j] * kernel[k]; });
  for (int64_t i = 0; i < op.grad_x.size(); ++i)
    grad_x[i] = sums[size_t(i)] + (op.beta == 0 ? 0 : op.beta * grad_x[i]);
}
ORTHOKIT_REFERENCE(Conv2dBackwardInput, conv2d_backward_input,
                   product_growth(op.kernel.size() / op.kernel.shape[3] / op.moves.groups));

// Rounding of a long sum, without the many moves of a product that takes its time.
static std::vector<double> terms_of(const Conv2dBackwardInput& op, std::string_view) {
  Conv2dTerms terms(op.grad_x.size());
  const bool mixed = mixes_terms(op.sizes());
  const std::vector<double> squares =
      mixed ? squares_of_channels(op.kernel) : std::vector<double>();
  for_conv2d_products(op.sizes(), [&](int64_t i, int64_t k, int64_t j) {
    const double grad = values(op.grad)[j], term = grad * values(op.kernel)[k];
    terms.add(i, term, mixed ? grad * grad * squares[size_t(k)] : term * term);
  });
  return terms.sizes();
}
ORTHOKIT_TERMS(Conv2dBackwardInput, terms_of);

}  // namespace orthokit::bench
