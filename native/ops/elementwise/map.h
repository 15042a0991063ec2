#pragma once
#include "core/op.h"
#include "ops/shared/arithmetic.h"

namespace orthokit {

enum class MapFunction : int32_t {
  kAbs,
  kSign,
  kSqrt,
  kExp,
  kLog,
  kTanh,
  kSigmoid,
  kSoftplus,
  kSoftplusDerivative,
  kSoftplusSecondDerivative,
  kRelu,
  kGelu,
  kSoftThreshold,
  kClamp,
  kPower,
  kSilu
};
inline Words words(MapFunction) {
  static constexpr const char* list[] = {"abs",
                                         "sign",
                                         "sqrt",
                                         "exp",
                                         "log",
                                         "tanh",
                                         "sigmoid",
                                         "softplus",
                                         "softplus_derivative",
                                         "softplus_second_derivative",
                                         "relu",
                                         "gelu",
                                         "soft_threshold",
                                         "clamp",
                                         "power",
                                         "silu"};
  return list;
}

inline void check_map_parameters(auto require, MapFunction function,
                                 const List<double>& parameters) {
  const auto count = double(parameters.count);
  if (function == MapFunction::kClamp) {
    require(count == 2, ErrorCode::kArgument, "parameters must be low and high for clamp", count);
    require(parameters[0] <= parameters[1], ErrorCode::kArgument,
            "parameters must hold a low no larger than high", parameters[0]);
  } else if (function == MapFunction::kSoftThreshold) {
    require(count == 1, ErrorCode::kArgument, "parameters must be one number for soft_threshold",
            count);
    require(parameters[0] >= 0, ErrorCode::kArgument, "parameters must not be negative",
            parameters[0]);
  } else if (function == MapFunction::kPower) {
    require(count == 1, ErrorCode::kArgument, "parameters must be one number for power", count);
  } else {
    require(count == 0, ErrorCode::kArgument, "parameters must be none for this function", count);
  }
}

struct Map {
  static constexpr const char *name = "map", *summary = "out = f(x), element by element, by a word";
  static constexpr const char* about = R"(
  outₚ = f(xₚ), element by element, for each tensor p of the list; out may be x. By the word:
    abs   |x|                          relu            max(x, 0)
    sign  −1, 0 or 1                   gelu            x Φ(x), as gelu's form erf
    sqrt  √x, NaN below 0              soft_threshold  sign(x) max(|x| − t, 0), parameters = t ≥ 0:
    exp   eˣ                                           the proximal operator of t ‖x‖₁
    log   ln x, −inf at 0, NaN below   clamp           min(max(x, low), high), parameters = low, high:
    tanh  tanh x                                       the projection onto a box
    sigmoid   1 / (1 + e⁻ˣ)            power           xᵉ, parameters = e, as pow of C
    softplus  ln(1 + eˣ); its derivative, the sigmoid s; its second derivative, s (1 − s)
    silu  x / (1 + e⁻ˣ), −0 for −inf and in f64 below −708 (Hendrycks and Gimpel 2016, section 2)
  Numerics: in the dtype; of 16 bits in f32, rounded once. In f64 within 4 ulp, gelu 8. In f32
  within 1.1 ulp (exp), 0.9 (log), 2.6 (tanh, sigmoid), 2.8 (softplus), 4.5 (its second derivative), 6.5 (gelu), 0.51 (the others); the
  largest errors measured, over every 61st number by portable code and every 257th by each of the
  three instruction sets, are exp 1.04, log 0.80, tanh 2.49, sigmoid 2.33, softplus 2.65, its
  second derivative 4.19, gelu 6.05, power 0.50. In f64
  sigmoid and the derivatives of softplus are 0 below −708, the second one above 708, too. exp
  overflows to inf and passes through subnormals to 0. NaN stays NaN, but for power to 0, which is 1.
  Traffic: one read, one write.
  )";
  static constexpr const char* examples[] = {
      "out=f32[597x43],f32[31] x=f32[597x43],f32[31] function=abs",
      "out=f32[4097] x=f32[4097] function=exp",
      "out=f64[4097],f64[0] x=f64[4097],f64[0] function=exp",
      "out=f32[4097] x=f32[4097] function=tanh",
      "out=f64[4097] x=f64[4097] function=tanh",
      "out=f64[4097] x=f64[4097] function=sigmoid",
      "out=f64[4097] x=f64[4097] function=softplus",
      "out=f64[4097] x=f64[4097] function=softplus_second_derivative",
      "out=f64[4097] x=f64[4097] function=gelu",
      "out=f64[597] x=f64[597] function=soft_threshold parameters=0.5",
      "out=f32[597] x=f32[597] function=clamp parameters=-0.5,0.75",
      "out=f64[597] x=f64[597] function=power parameters=3",
      "out=f32[4097] x=f32[4097] function=silu",
      "out=f64[4097] x=f64[4097] function=silu",
      "out=bf16[4097],bf16[31] x=bf16[4097],bf16[31] function=sigmoid",
      "out=f16[597x43],f32[33] x=f16[597x43],f32[33] function=silu"};
  static constexpr const char* cases[] = {
      "out=f32[8192x1024] x=f32[8192x1024] function=abs",
      "out=f32[8192x1024] x=f32[8192x1024] function=exp",
      "out=f32[8192x1024] x=f32[8192x1024] function=log",
      "out=f32[8192x1024] x=f32[8192x1024] function=tanh",
      "out=f32[8192x1024] x=f32[8192x1024] function=softplus",
      "out=f32[8192x1024] x=f32[8192x1024] function=soft_threshold parameters=0.5",
      "out=f32[8192x1024] x=f32[8192x1024] function=power parameters=3",
      "out=f32[8192x1024] x=f32[8192x1024] function=power parameters=1.7",
      "out=f32[8192x1024] x=f32[8192x1024] function=sigmoid",
      "out=bf16[8192x1024] x=bf16[8192x1024] function=relu",
      "out=f32[64x1024] x=f32[64x1024] function=exp"};
  List<View> out, x;
  MapFunction function = MapFunction::kAbs;
  List<double> parameters;

  void fields(Fields& f) {
    f.out("out", out, kMayAlias), f.in("x", x);
    f.value("function", function), f.value("parameters", parameters);
  }
  double flops() const {
    double n = 0;
    for (auto& v : x) n += double(v.size()) * flops_of(function, v);
    return n;
  }
  static double flops_of(MapFunction function, const View& x) {
    switch (function) {
      case MapFunction::kSqrt:
        return kRootFlops;
      case MapFunction::kExp:
        return kExpFlops;
      case MapFunction::kLog:
        return kLogFlops;
      case MapFunction::kTanh:
        return kTanhFlops;
      case MapFunction::kSigmoid:
      case MapFunction::kSoftplusDerivative:
        return kSigmoidFlops;
      case MapFunction::kSoftplus:
        return kSoftplusFlops;
      case MapFunction::kSoftplusSecondDerivative:
        return kSigmoidFlops + 2;
      case MapFunction::kSilu:
        return kSigmoidFlops + 1;
      case MapFunction::kGelu:
        return kNormalTailFlops + 3;
      case MapFunction::kPower:
        return wide_flops(x) * (kLogFlops + kExpFlops + 1);
      default:
        return 1;
    }
  }
  void check(auto require) const {
    require(x.count == out.count, ErrorCode::kArgument, "x must be as many as out",
            double(x.count));
    for (int64_t i = 0; i < out.count; ++i) {
      require(is_floating(out[i]), ErrorCode::kDtype, "out must be floating", out[i]);
      require(x[i].dtype == out[i].dtype, ErrorCode::kDtype, "x must have out's dtype", x[i]);
      require(same_shape(x[i], out[i]), ErrorCode::kShape, "x must have out's shape", x[i], "out",
              out[i]);
    }
    check_map_parameters(require, function, parameters);
  }
};

}  // namespace orthokit
