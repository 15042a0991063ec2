#include "cuda/elementwise.cuh"
#include "cuda/gelu.cuh"
#include "cuda/widened.cuh"
#include "ops/elementwise/map.h"

namespace orthokit::cuda {

struct MapAbs {
  __device__ double operator()(double x) const { return fabs(x); }
};
struct MapSign {
  __device__ double operator()(double x) const { return x > 0 ? 1 : x < 0 ? -1 : x; }
};
struct MapSqrt {
  __device__ double operator()(double x) const { return sqrt(x); }
};
struct MapExp {
  __device__ double operator()(double x) const { return exp(x); }
};
struct MapLog {
  __device__ double operator()(double x) const { return log(x); }
};
struct MapTanh {
  __device__ double operator()(double x) const { return tanh(x); }
};
struct MapSigmoid {
  __device__ double operator()(double x) const {
    const double e = exp_of_negative(-fabs(x));
    return (x < 0 ? e : 1) / (1 + e);
  }
};
struct MapSilu {
  __device__ double operator()(double x) const {
    const double low = x < -750 ? -750 : x;
    return low * MapSigmoid{}(low);
  }
};
struct MapSoftplus {
  __device__ double operator()(double x) const { return (x < 0 ? 0 : x) + log1p(exp(-fabs(x))); }
};
struct MapSoftplusCurvature {
  __device__ double operator()(double x) const {
    const double e = exp_of_negative(-fabs(x));
    return e / ((1 + e) * (1 + e));
  }
};
struct MapRelu {
  __device__ double operator()(double x) const { return x <= 0 ? 0 : x; }
};
struct MapGelu {
  __device__ double operator()(double x) const { return ErfGelu::value(x); }
};
struct MapSoftThreshold {
  double threshold;
  __device__ double operator()(double x) const {
    const double rest = fabs(x) - threshold;
    return rest <= 0 ? 0 : copysign(rest, x);
  }
};
struct MapClamp {
  double low, high;
  __device__ double operator()(double x) const {
    const double raised = x < low ? low : x;
    return raised > high ? high : raised;
  }
};
struct MapPower {
  double exponent;
  __device__ double operator()(double x) const { return pow(x, exponent); }
};

// F in f64, rounded once.
template <class F>
struct MapElement {
  F f;
  template <class T>
  __device__ T operator()(T x) const {
    return T(f(double(x)));
  }
};

// run(f), where f is the function of the word.
template <class Run>
static void with_function(const Map& op, Run&& run) {
  const double first = op.parameters.count > 0 ? op.parameters[0] : 0;
  const double second = op.parameters.count > 1 ? op.parameters[1] : 0;
  switch (op.function) {
    case MapFunction::kAbs:
      return run(MapAbs{});
    case MapFunction::kSign:
      return run(MapSign{});
    case MapFunction::kSqrt:
      return run(MapSqrt{});
    case MapFunction::kExp:
      return run(MapExp{});
    case MapFunction::kLog:
      return run(MapLog{});
    case MapFunction::kTanh:
      return run(MapTanh{});
    case MapFunction::kSigmoid:
    case MapFunction::kSoftplusDerivative:
      return run(MapSigmoid{});
    case MapFunction::kSoftplus:
      return run(MapSoftplus{});
    case MapFunction::kSoftplusSecondDerivative:
      return run(MapSoftplusCurvature{});
    case MapFunction::kRelu:
      return run(MapRelu{});
    case MapFunction::kSilu:
      return run(MapSilu{});
    case MapFunction::kGelu:
      return run(MapGelu{});
    case MapFunction::kSoftThreshold:
      return run(MapSoftThreshold{first});
    case MapFunction::kClamp:
      return run(MapClamp{first, second});
    case MapFunction::kPower:
      return run(MapPower{first});
  }
}

static void map(const Map& op, Stream& stream) {
  const Lists lists(stream, {op.out, op.x});
  with_function(op, [&](auto f) { for_elements<1>(stream, lists, MapElement<decltype(f)>{f}); });
}
ORTHOKIT_WIDE_KERNEL(Map, map);

}  // namespace orthokit::cuda
