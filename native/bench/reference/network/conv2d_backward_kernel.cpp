#include "ops/network/conv2d_backward_kernel.h"

#include "bench/reference/network/shared/conv2d_products.h"

namespace orthokit::bench {

// f(element of x, of gradKernel, of grad) for each product.
template <class F>
static void for_products(const Conv2dBackwardKernel& op, F&& f) {
  const int64_t each = op.grad_kernel.size() / op.samples(),
                images = op.grad.size() / op.samples();  // elements of grad in a sample
  for_conv2d_products(op.sizes(),
                      [&](int64_t i, int64_t k, int64_t j) { f(i, j / images * each + k, j); });
}

static void conv2d_backward_kernel(const Conv2dBackwardKernel& op) {
  double* grad_kernel = values(op.grad_kernel);
  std::vector<double> sums(size_t(op.grad_kernel.size()), 0.0);
  for_products(op, [&](int64_t i, int64_t k, int64_t j) {
    sums[size_t(k)] += values(op.grad)[j] * values(op.x)[i];
  });
  for (int64_t k = 0; k < op.grad_kernel.size(); ++k)
    grad_kernel[k] = sums[size_t(k)] + (op.beta == 0 ? 0 : op.beta * grad_kernel[k]);
}
ORTHOKIT_REFERENCE(Conv2dBackwardKernel, conv2d_backward_kernel,
                   product_growth(op.grad.shape[0] * op.grad.shape[1] * op.grad.shape[2]));

// Rounding of a long sum, without the many moves of a product that takes its time.
static std::vector<double> terms_of(const Conv2dBackwardKernel& op, std::string_view) {
  Conv2dTerms terms(op.grad_kernel.size());
  const Conv2dSizes sizes = op.sizes();
  // Tiles may multiply an infinity by the zeros beside an image.
  const auto is_finite = [](const View& v) {
    return std::all_of(values(v), values(v) + v.size(), [](double x) { return std::isfinite(x); });
  };
  if (!is_finite(op.x) || !is_finite(op.grad))
    return std::vector<double>(size_t(op.grad_kernel.size()), kUnsteady);
  if (!mixes_terms(sizes)) {
    for_products(op, [&](int64_t i, int64_t k, int64_t j) {
      terms.add(k, values(op.grad)[j] * values(op.x)[i]);
    });
    return terms.sizes();
  }
  // Winograd's sums hold each element of grad with all nine pixels of the channel.
  std::vector<double> squares(size_t(op.grad.size() / sizes.kernels * sizes.channels), 0.0);
  const auto square = [&](int64_t k, int64_t j) -> double& {
    return squares[size_t(j / sizes.kernels * sizes.channels + k % sizes.channels)];
  };
  for_conv2d_products(sizes, [&](int64_t i, int64_t k, int64_t j) {
    if (j % sizes.kernels == 0) square(k, j) += values(op.x)[i] * values(op.x)[i];
  });
  for_products(op, [&](int64_t i, int64_t k, int64_t j) {
    const double grad = values(op.grad)[j];
    terms.add(k, grad * values(op.x)[i], grad * grad * square(k, j));
  });
  return terms.sizes();
}
ORTHOKIT_TERMS(Conv2dBackwardKernel, terms_of);

}  // namespace orthokit::bench
