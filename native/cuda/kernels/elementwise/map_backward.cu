#include "cuda/elementwise.cuh"
#include "cuda/gelu.cuh"
#include "cuda/widened.cuh"
#include "ops/elementwise/map_backward.h"

namespace orthokit::cuda {

// Words that share a kernel, which the word chooses in: they are small beside the traffic.
struct SlopeOfWord {
  MapFunction function;
  double first, second;

  __device__ static double sigmoid(double x) {
    const double e = exp_of_negative(-fabs(x));
    return (x < 0 ? e : 1) / (1 + e);
  }
  __device__ static double curvature(double x) {
    const double e = exp_of_negative(-fabs(x));
    return e / ((1 + e) * (1 + e));
  }
  // 1 / cosh x; its square is the slope of tanh.
  __device__ static double sech(double x) {
    const double e = exp_of_negative(-fabs(x));
    return 2 * e / (1 + e * e);
  }
  __device__ static double silu_slope(double x) {
    constexpr double kFarthest = 750;
    const double v = x < -kFarthest ? -kFarthest : x > kFarthest ? kFarthest : x;
    return sigmoid(v) * (1 + v * sigmoid(-v));
  }
  __device__ bool passes(double x) const {
    switch (function) {
      case MapFunction::kRelu:
        return x > 0;
      case MapFunction::kSoftThreshold:
        return fabs(x) > first;
      case MapFunction::kClamp:
        return x >= first && x <= second;
      default:
        return false;
    }
  }
  __device__ double operator()(double x) const {
    switch (function) {
      case MapFunction::kAbs:
        return x > 0 ? 1 : x < 0 ? -1 : x;
      case MapFunction::kSqrt:
        return 0.5 / sqrt(x);
      case MapFunction::kExp:
        return exp(x);
      case MapFunction::kLog:
        return 1 / x;
      case MapFunction::kSoftplus:
        return sigmoid(x);
      case MapFunction::kSoftplusSecondDerivative:
        return -curvature(x) * tanh(x / 2);
      case MapFunction::kGelu:
        return ErfGelu::slope(x);
      case MapFunction::kSilu:
        return silu_slope(x);
      default:
        return curvature(x);
    }
  }
};

struct GradTimesWord {
  SlopeOfWord slope;
  bool is_choice;
  template <class T>
  __device__ T operator()(T grad, T x) const {
    if (is_choice) return slope.passes(double(x)) ? grad : T(0);
    if (slope.function == MapFunction::kTanh) {
      const double sech = SlopeOfWord::sech(double(x));
      return T(double(grad) * sech * sech);
    }
    return T(double(grad) * slope(double(x)));
  }
};

struct GradTimesPower {
  double exponent;
  template <class T>
  __device__ T operator()(T grad, T x) const {
    return T(double(grad) * exponent * pow(double(x), exponent - 1));
  }
};

static void map_backward(const MapBackward& op, Stream& stream) {
  const Lists lists(stream, {op.out, op.grad, op.x});
  const auto run = [&](auto f) {
    if (op.beta == 0)
      for_elements<2>(stream, lists, f);
    else
      for_elements<2, true>(stream, lists, f);
  };
  const double first = op.parameters.count > 0 ? op.parameters[0] : 0;
  const double second = op.parameters.count > 1 ? op.parameters[1] : 0;
  const bool is_choice = op.function == MapFunction::kSign || op.function == MapFunction::kRelu ||
                         op.function == MapFunction::kSoftThreshold ||
                         op.function == MapFunction::kClamp;
  if (op.function == MapFunction::kPower)
    run(GradTimesPower{first});
  else
    run(GradTimesWord{{op.function, first, second}, is_choice});
}
ORTHOKIT_WIDE_KERNEL(MapBackward, map_backward);

}  // namespace orthokit::cuda
