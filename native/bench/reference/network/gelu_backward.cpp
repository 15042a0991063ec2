#include "ops/network/gelu_backward.h"

#include "bench/reference/reference.h"
#include "math/normal.h"

namespace orthokit::bench {

static void gelu_backward(const GeluBackward& op) {
  const double pi = std::acos(-1.0);
  for (int64_t i = 0; i < op.x.size(); ++i) {
    const double x = values(op.x)[i];
    const double inner = std::sqrt(2 / pi) * (x + math::kTanhGeluCubic * x * x * x);
    const double s = 1 / (1 + std::exp(-2 * inner)), rest = 1 / (1 + std::exp(2 * inner));
    const double slope =
        op.form == GeluForm::kErf
            ? std::erfc(-x / std::sqrt(2.0)) / 2 + x * std::exp(-x * x / 2) / std::sqrt(2 * pi)
            : s + x * s * rest * std::sqrt(8 / pi) * (1 + 3 * math::kTanhGeluCubic * x * x);
    const bool is_end = op.form == GeluForm::kErf ? is_beyond_normal(x)
                                                  : std::abs(2 * inner) > -math::kLeastExponent;
    const double limit = x > 0 ? 1 : 0;
    values(op.out)[i] = values(op.grad)[i] * (is_end ? limit : slope);
  }
}
ORTHOKIT_REFERENCE(GeluBackward, gelu_backward);

}  // namespace orthokit::bench
