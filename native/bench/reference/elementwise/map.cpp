#include "ops/elementwise/map.h"

#include <algorithm>

#include "bench/reference/reference.h"

namespace orthokit::bench {

static double mapped(const Map& op, Dtype dtype, double x) {
  const double sigmoid = faint(dtype, x < math::kLeastExponent ? 0 : 1 / (1 + std::exp(-x)));
  switch (op.function) {
    case MapFunction::kAbs:
      return std::abs(x);
    case MapFunction::kSign:
      return x > 0 ? 1 : x < 0 ? -1 : x;  // NaN stays
    case MapFunction::kSqrt:
      return std::sqrt(x);
    case MapFunction::kExp:
      return std::exp(x);
    case MapFunction::kLog:
      return std::log(x);
    case MapFunction::kTanh:
      return std::tanh(x);
    case MapFunction::kSoftplus:
      return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));
    case MapFunction::kSigmoid:
    case MapFunction::kSoftplusDerivative:
      return sigmoid;
    case MapFunction::kSoftplusSecondDerivative:
      return x > -math::kLeastExponent ? 0 : sigmoid / (1 + std::exp(x));
    case MapFunction::kRelu:
      return std::max(x, 0.0);
    case MapFunction::kGelu:
      return x < 0 && is_beyond_normal(x) ? -0.0 : x / 2 * std::erfc(-x / std::sqrt(2.0));
    case MapFunction::kSilu:
      return x < math::kLeastExponent ? -0.0 : x * sigmoid;
    case MapFunction::kSoftThreshold:
      return std::copysign(std::max(std::abs(x) - op.parameters[0], 0.0), x);
    case MapFunction::kClamp:
      return std::clamp(x, op.parameters[0], op.parameters[1]);
    case MapFunction::kPower:
      return std::pow(x, op.parameters[0]);
  }
  return NAN;
}

static void map(const Map& op) {
  for (int64_t t = 0; t < op.out.count; ++t)
    for (int64_t i = 0; i < op.out[t].size(); ++i)
      values(op.out[t])[i] = mapped(op, op.x[t].dtype, values(op.x[t])[i]);
}
ORTHOKIT_REFERENCE(Map, map);

}  // namespace orthokit::bench
