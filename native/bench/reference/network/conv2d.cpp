#include "ops/network/conv2d.h"

#include "bench/reference/network/shared/conv2d_products.h"

namespace orthokit::bench {

static void conv2d(const Conv2d& op) {
  const double *x = values(op.x), *kernel = values(op.kernel);
  double* out = values(op.out);
  for (int64_t j = 0; j < op.out.size(); ++j)
    out[j] = op.bias ? values(op.bias)[j % op.bias.shape[0]] : 0;
  for_conv2d_products(op.sizes(),
                      [&](int64_t i, int64_t k, int64_t j) { out[j] += x[i] * kernel[k]; });
}
ORTHOKIT_REFERENCE(Conv2d, conv2d, product_growth(op.sizes().depth() + 1));

// Rounding of a long sum, without the many moves of a product that takes its time.
static std::vector<double> terms_of(const Conv2d& op, std::string_view) {
  Conv2dTerms terms(op.out.size());
  for (int64_t j = 0; j < op.out.size(); ++j)
    terms.add(j, op.bias ? values(op.bias)[j % op.bias.shape[0]] : 0);
  const bool mixed = mixes_terms(op.sizes());
  const std::vector<double> squares =
      mixed ? squares_of_channels(op.kernel) : std::vector<double>();
  for_conv2d_products(op.sizes(), [&](int64_t i, int64_t k, int64_t j) {
    const double x = values(op.x)[i], term = x * values(op.kernel)[k];
    terms.add(j, term, mixed ? x * x * squares[size_t(k)] : term * term);
  });
  return terms.sizes();
}
ORTHOKIT_TERMS(Conv2d, terms_of);

}  // namespace orthokit::bench
