#include "ops/elementwise/map_backward.h"

#include "cpu/chunks.h"
#include "cpu/gelu.h"
#include "cpu/power.h"
#include "cpu/strips.h"
#include "cpu/widened.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// body(f), where f(grad, x) is grad times the slope of the word.
template <class Body>
static void with_slope(const MapBackward& op, Body&& body) {
  const double first = op.parameters.count > 0 ? op.parameters[0] : 0;
  const double second = op.parameters.count > 1 ? op.parameters[1] : 0;
  const auto times = [&](auto slope) {
    body([slope](auto grad, auto x) { return grad * slope(x); });
  };
  // Read in any case: a branch for it would often be mispredicted.
  const auto where = [&](auto passes) {
    body([passes](auto grad, auto x) {
      const auto g = grad;
      return passes(x) ? g : decltype(g)(0);
    });
  };
  switch (op.function) {
    case MapFunction::kAbs:
      return times([](auto x) { return x > 0 ? 1 : x < 0 ? -1 : x; });
    case MapFunction::kSign:
      return where([](auto) { return false; });
    case MapFunction::kSqrt:
      return times([](auto x) { return decltype(x)(0.5) / std::sqrt(x); });
    case MapFunction::kExp:
      return times([](auto x) { return exp_of(x); });
    case MapFunction::kLog:
      return body([](auto grad, auto x) { return grad / x; });
    case MapFunction::kTanh:
      return body([](auto grad, auto x) {
        const auto sech = sech_of(x);
        return grad * sech * sech;
      });
    case MapFunction::kSigmoid:
    case MapFunction::kSoftplusDerivative:
      return times([](auto x) { return softplus_curvature_of(x); });
    case MapFunction::kSoftplus:
      return times([](auto x) { return sigmoid_of(x); });
    case MapFunction::kSoftplusSecondDerivative:
      return times([](auto x) { return -softplus_curvature_of(x) * tanh_of(x / 2); });
    case MapFunction::kRelu:
      return where([](auto x) { return x > 0; });
    case MapFunction::kGelu:
      return times([](auto x) { return ErfGelu::slope(x); });
    case MapFunction::kSoftThreshold:
      return where([=](double x) { return std::abs(x) > first; });
    case MapFunction::kClamp:
      return where([=](double x) { return x >= first && x <= second; });
    case MapFunction::kPower:
      return with_power(
          first - 1, [&](auto power) { times([=](auto x) { return first * double(power(x)); }); });
    case MapFunction::kSilu:
      return times([](auto x) { return silu_slope_of(x); });
  }
}

void map_backward(const MapBackward& op, Stream& stream) {
  const Chunks chunks(op.out, stream);
  with_slope(op, [&](auto f) {
    chunks.run([&](const Chunk& c) {
      visit(op.out[c.tensor].dtype, [&]<class T>() {
        const T *grad = op.grad[c.tensor].as<T>() + c.begin, *x = op.x[c.tensor].as<T>() + c.begin;
        T* out = op.out[c.tensor].as<T>() + c.begin;
        put_strips(
            c.size, out, streams_to(op.out[c.tensor], out, grad, x), op.beta != 0,
            [=](int64_t i) { return T(f(grad[i], x[i])); }, grad, x);
      });
    });
  });
}
ORTHOKIT_WIDE_KERNEL(MapBackward, map_backward);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
