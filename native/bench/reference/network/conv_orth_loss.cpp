#include "ops/network/conv_orth_loss.h"

#include <algorithm>
#include <vector>

#include "bench/reference/shared/inner_product.h"

namespace orthokit::bench {

// f(element of the kernel m, element of l that it meets, element of R) for each pair that meets.
template <class F>
static void for_meetings(const ConvOrthLoss& op, F&& f) {
  const int64_t size = op.size(), channels = op.channels(), most = op.shifts() * op.stride;
  const auto element = [&](int64_t o, int64_t a, int64_t b) {
    return ((o * size + a) * size + b) * channels;
  };
  int64_t at = 0;
  for (int64_t u = -most; u <= most; u += op.stride)
    for (int64_t v = -most; v <= most; v += op.stride)
      for (int64_t m = 0; m < op.outputs(); ++m)
        for (int64_t l = 0; l < op.outputs(); ++l, ++at)
          for (int64_t a = std::max<int64_t>(0, -u); a < std::min(size, size - u); ++a)
            for (int64_t b = std::max<int64_t>(0, -v); b < std::min(size, size - v); ++b)
              for (int64_t c = 0; c < channels; ++c)
                f(element(m, a + u, b + v) + c, element(l, a, b) + c, at);
}

static void conv_orth_loss(const ConvOrthLoss& op) {
  const double* kernel = values(op.kernel);
  const int64_t n = op.outputs(), sides = 2 * op.shifts() + 1;
  std::vector<double> r(size_t(n * n * sides * sides), 0.0), grad(size_t(op.kernel.size()), 0.0);
  for (int64_t m = 0; m < n; ++m) r[size_t((sides * sides / 2 * n + m) * n + m)] = -1;
  for_meetings(op,
               [&](int64_t x, int64_t y, int64_t at) { r[size_t(at)] += kernel[x] * kernel[y]; });
  long double squares = 0;
  for (double x : r) squares += static_cast<long double>(x) * x;
  values(op.loss)[0] = op.weight * double(squares - op.least());
  if (!op.grad_kernel) return;
  for_meetings(op, [&](int64_t x, int64_t y, int64_t at) {
    grad[size_t(y)] += 4 * r[size_t(at)] * kernel[x];
  });
  for (int64_t i = 0; i < op.kernel.size(); ++i) {
    double& out = values(op.grad_kernel)[i];
    out = op.weight * grad[size_t(i)] + (op.beta == 0 ? 0 : op.beta * out);
  }
}
// The longer of its sums: of R over a kernel, of the gradient over all kernels. A product of the
// gradient has three elements of kernel: that each is moved shows more than rounding of its sums
// does.
ORTHOKIT_REFERENCE(ConvOrthLoss, conv_orth_loss,
                   product_growth(op.size() * op.size() * std::max(op.channels(), op.outputs())) /
                       2);

}  // namespace orthokit::bench
