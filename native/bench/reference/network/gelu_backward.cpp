#include "ops/network/gelu_backward.h"

#include <limits>

#include "bench/reference/reference.h"
#include "math/normal.h"

namespace orthokit::bench {
namespace {

struct Slope {
  double share, rise;       // the sum is the slope
  double exponent, factor;  // of the exponential in both, and what multiplies it in the rise
};

Slope slope_at(GeluForm form, double x) {
  const double pi = std::acos(-1.0);
  if (form == GeluForm::kErf) {
    const double factor = x / std::sqrt(2 * pi);
    return {std::erfc(-x / std::sqrt(2.0)) / 2, factor * std::exp(-x * x / 2), x * x / 2, factor};
  }
  const double inner = std::sqrt(2 / pi) * (x + math::kTanhGeluCubic * x * x * x);
  const double s = 1 / (1 + std::exp(-2 * inner)), rest = 1 / (1 + std::exp(2 * inner));
  const double factor = x * std::sqrt(8 / pi) * (1 + 3 * math::kTanhGeluCubic * x * x);
  return {s, factor * s * rest, std::abs(2 * inner), factor};
}

}  // namespace

static void gelu_backward(const GeluBackward& op) {
  for (int64_t i = 0; i < op.x.size(); ++i) {
    const double x = values(op.x)[i];
    const auto [share, rise, exponent, factor] = slope_at(op.form, x);
    const double limit = x > 0 ? 1 : 0;
    const double old = op.beta == 0 ? 0 : values(op.out)[i];
    values(op.out)[i] =
        values(op.grad)[i] * (exponent > -math::kLeastExponent ? limit : share + rise) + old;
  }
}
ORTHOKIT_REFERENCE(GeluBackward, gelu_backward);

// The parts of the slope may cancel. The exponent of GELU's form by tanh is rounded, which moves
// the exponential by as much as the exponent is large. An exponential below the smallest normal
// number is rounded like that number, before the rise's factor and grad multiply it.
static double terms_of(const GeluBackward& op, std::string_view, int64_t j) {
  const auto [share, rise, exponent, factor] = slope_at(op.form, values(op.x)[j]);
  const double rounded = op.form == GeluForm::kErf ? 0 : exponent;
  const double least = op.x.dtype == Dtype::kF64 ? double(std::numeric_limits<double>::min())
                                                 : double(std::numeric_limits<float>::min());
  return std::abs(values(op.grad)[j]) *
         ((share + std::abs(rise)) * (1 + rounded) + least * (1 + std::abs(factor)));
}
ORTHOKIT_TERMS(GeluBackward, terms_of);

}  // namespace orthokit::bench
