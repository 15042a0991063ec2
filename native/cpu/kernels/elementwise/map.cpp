#include "ops/elementwise/map.h"

#include "cpu/elementwise.h"
#include "cpu/gelu.h"
#include "cpu/power.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// body(f), where f is the function of the word.
template <class Body>
static void with_function(const Map& op, Body&& body) {
  const double first = op.parameters.count > 0 ? op.parameters[0] : 0;
  const double second = op.parameters.count > 1 ? op.parameters[1] : 0;
  switch (op.function) {
    case MapFunction::kAbs:
      return body([](auto x) { return std::abs(x); });
    case MapFunction::kSign:
      return body([](auto x) { return x > 0 ? 1 : x < 0 ? -1 : x; });
    case MapFunction::kSqrt:
      return body([](auto x) { return std::sqrt(x); });
    case MapFunction::kExp:
      return body([](auto x) { return exp_of(x); });
    case MapFunction::kLog:
      return body([](auto x) { return log_of(x); });
    case MapFunction::kTanh:
      return body([](auto x) { return tanh_of(x); });
    case MapFunction::kSigmoid:
    case MapFunction::kSoftplusDerivative:
      return body([](auto x) { return sigmoid_of(x); });
    case MapFunction::kSoftplus:
      return body([](auto x) { return softplus_of(x); });
    case MapFunction::kSoftplusSecondDerivative:
      return body([](auto x) { return softplus_curvature_of(x); });
    case MapFunction::kRelu:
      return body([](auto x) { return x <= 0 ? 0 : x; });
    case MapFunction::kSilu:
      return body([](auto x) { return silu_of(x); });
    case MapFunction::kGelu:
      return body([](auto x) { return ErfGelu::value(x); });
    case MapFunction::kSoftThreshold:
      return body([=](double x) {
        const double rest = std::abs(x) - first;
        return rest <= 0 ? 0 : std::copysign(rest, x);
      });
    case MapFunction::kClamp:
      return body([=](double x) {
        const double low = x < first ? first : x;
        return low > second ? second : low;
      });
    case MapFunction::kPower:
      return with_power(first, body);
  }
}

void map(const Map& op, Stream& stream) {
  with_function(op, [&](auto f) { for_elements(f, op.out, op.x, stream); });
}
ORTHOKIT_KERNEL(Map, map);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
