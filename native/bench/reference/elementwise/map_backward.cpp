#include "ops/elementwise/map_backward.h"

#include <limits>

#include "bench/reference/reference.h"

namespace orthokit::bench {

// Wider than f64, in which the slope of tanh has fewer digits than its product with grad.
static long double slope_of(const MapBackward& op, Dtype dtype, double x) {
  const double sigmoid = faint(dtype, x < math::kLeastExponent ? 0 : 1 / (1 + std::exp(-x))),
               rest = faint(dtype, x > -math::kLeastExponent ? 0 : 1 / (1 + std::exp(x)));
  switch (op.function) {
    case MapFunction::kAbs:
      return x > 0 ? 1 : x < 0 ? -1 : x;
    case MapFunction::kSign:
      return 0;
    case MapFunction::kSqrt:
      return 1 / (2 * std::sqrt(x));
    case MapFunction::kExp:
      return std::exp(x);
    case MapFunction::kLog:
      return 1 / x;
    case MapFunction::kTanh:
      return std::abs(x) > -math::kLeastExponent
                 ? 0
                 : 1 / std::pow(std::cosh(static_cast<long double>(x)), 2);
    case MapFunction::kSoftplus:
      return sigmoid;
    case MapFunction::kSigmoid:
    case MapFunction::kSoftplusDerivative:
      return sigmoid * rest;
    case MapFunction::kSoftplusSecondDerivative:
      return -sigmoid * rest * std::tanh(x / 2);
    case MapFunction::kRelu:
      return x > 0;
    case MapFunction::kGelu:
      return is_beyond_normal(x) ? x > 0
                                 : std::erfc(-x / std::sqrt(2.0)) / 2 +
                                       x / std::sqrt(2 * std::acos(-1.0)) * std::exp(-x * x / 2);
    case MapFunction::kSoftThreshold:
      return std::abs(x) > op.parameters[0];
    case MapFunction::kClamp:
      return x >= op.parameters[0] && x <= op.parameters[1];
    case MapFunction::kPower:
      return op.parameters[0] * std::pow(x, op.parameters[0] - 1);
    case MapFunction::kSilu:
      return std::isinf(x) ? x > 0 : sigmoid + x * sigmoid * rest;
  }
  return NAN;
}

static bool is_choice(MapFunction function) {
  return function == MapFunction::kSign || function == MapFunction::kRelu ||
         function == MapFunction::kSoftThreshold || function == MapFunction::kClamp;
}

static void map_backward(const MapBackward& op) {
  for (int64_t t = 0; t < op.out.count; ++t)
    for (int64_t i = 0; i < op.out[t].size(); ++i) {
      double& out = values(op.out[t])[i];
      const long double slope = slope_of(op, op.x[t].dtype, values(op.x[t])[i]);
      const double product =
          is_choice(op.function) && slope == 0 ? 0 : double(values(op.grad[t])[i] * slope);
      out = product + (op.beta == 0 ? 0 : out);
    }
}
ORTHOKIT_REFERENCE(MapBackward, map_backward);

// An exponential past f32's end, which a kernel has in f32 or in f64 before it multiplies: 0 times
// an infinity is NaN, 0 times a large number 0. A slope below the smallest normal number is rounded
// as that one is, before it is multiplied.
static double terms_of(const MapBackward& op, std::string_view, int64_t j) {
  constexpr double kMost = std::numeric_limits<float>::max();
  constexpr double kLeastNormal = std::numeric_limits<float>::min();
  double terms = 0;
  for (int64_t t = 0; t < op.x.count; ++t) {
    const View& x = op.x[t];
    if (x.dtype == Dtype::kF64 || j >= x.size()) continue;
    if (op.function == MapFunction::kExp && std::exp(values(x)[j]) > kMost) return kUnsteady;
    terms = std::fmax(terms, std::abs(values(op.grad[t])[j]) * kLeastNormal);
  }
  return terms;
}
ORTHOKIT_SOME_TERMS(MapBackward, terms_of);

}  // namespace orthokit::bench
