#pragma once
#include "ops/elementwise/map.h"
#include "ops/shared/beta.h"

namespace orthokit {

struct MapBackward {
  static constexpr const char *name = "map_backward",
                              *summary = "out = grad times the slope of a word of map + beta out";
  static constexpr const char* about = R"(
  outₚ = gradₚ ⊙ f'(xₚ) + beta · outₚ, beta 0 or 1, for each tensor p of the list, where x is the
  input of map, and `function` and `parameters` the same; out may be grad or x.
    abs   sign(x)          relu            1 where x > 0, else 0
    sign  0                soft_threshold  1 where |x| > t, else 0
    sqrt  1 / (2 √x)       clamp           1 from low to high, both included, else 0
    exp   eˣ               power           e xᵉ⁻¹
    log   1 / x            gelu            Φ(x) + x φ(x)
    tanh  1 − tanh² x      silu            s (1 + x (1 − s)), s the sigmoid
    sigmoid and softplus_derivative  s (1 − s)
    softplus  s; softplus_second_derivative  s (1 − s) (1 − 2 s)
  Numerics: in the dtype, within 8 ulp of grad times the largest term of the slope, exponentials that
  would be subnormal apart. Where the slope is a choice of 0 and 1, grad passes unchanged or is left
  out, whatever it holds. The product is rounded before it is added; beta = 0 does not read out.
  Traffic: two reads, one write.
  )";
  static constexpr const char* examples[] = {
      "grad=f32[597x43],f32[31] x=f32[597x43],f32[31] out=f32[597x43],f32[31] function=silu",
      "grad=f64[4097],f64[0] x=f64[4097],f64[0] out=f64[4097],f64[0] function=silu",
      "grad=f32[4097] x=f32[4097] out=f32[4097] function=tanh beta=1",
      "grad=f64[597] x=f64[597] out=f64[597] function=tanh",
      "grad=f32[597] x=f32[597] out=f32[597] function=sigmoid",
      "grad=f32[597] x=f32[597] out=f32[597] function=softplus",
      "grad=f64[597] x=f64[597] out=f64[597] function=softplus_second_derivative",
      "grad=f32[597] x=f32[597] out=f32[597] function=exp",
      "grad=f64[597] x=f64[597] out=f64[597] function=log",
      "grad=f32[597] x=f32[597] out=f32[597] function=abs",
      "grad=f32[597] x=f32[597] out=f32[597] function=relu",
      "grad=bf16[597] x=bf16[597] out=bf16[597] function=gelu",
      "grad=f16[597] x=f16[597] out=f16[597] function=sqrt",
      "grad=f64[597] x=f64[597] out=f64[597] function=soft_threshold parameters=0.5",
      "grad=f32[597] x=f32[597] out=f32[597] function=clamp parameters=-0.5,0.75",
      "grad=f64[597] x=f64[597] out=f64[597] function=power parameters=3 beta=1"};
  static constexpr const char* cases[] = {
      "grad=f32[8192x1024] x=f32[8192x1024] out=f32[8192x1024] function=silu",
      "grad=f32[8192x1024] x=f32[8192x1024] out=f32[8192x1024] function=tanh",
      "grad=f32[8192x1024] x=f32[8192x1024] out=f32[8192x1024] function=power parameters=3",
      "grad=f32[64x1024] x=f32[64x1024] out=f32[64x1024] function=silu"};
  List<View> grad, x, out;
  MapFunction function = MapFunction::kAbs;
  List<double> parameters;
  double beta = 0;

  void fields(Fields& f) {
    f.in("grad", grad), f.in("x", x), f.inout("out", out, kMayAlias);
    f.value("function", function), f.value("parameters", parameters), f.value("beta", beta);
  }
  double flops() const {
    double n = 0;
    for (auto& v : x) n += double(v.size()) * (Map::flops_of(function, v) + 4);
    return n;
  }
  double bytes() const {
    return bytes_in(grad) + bytes_in(x) + (beta == 0 ? 1 : 2) * bytes_in(out);
  }
  void check(auto require) const {
    require(grad.count == out.count, ErrorCode::kArgument, "grad must be as many as out",
            double(grad.count));
    require(x.count == out.count, ErrorCode::kArgument, "x must be as many as out",
            double(x.count));
    for (int64_t i = 0; i < out.count; ++i) {
      require(is_floating(out[i]), ErrorCode::kDtype, "out must be floating", out[i]);
      require(grad[i].dtype == out[i].dtype, ErrorCode::kDtype, "grad must have out's dtype",
              grad[i]);
      require(x[i].dtype == out[i].dtype, ErrorCode::kDtype, "x must have out's dtype", x[i]);
      require(same_shape(grad[i], out[i]), ErrorCode::kShape, "grad must have out's shape", grad[i],
              "out", out[i]);
      require(same_shape(x[i], out[i]), ErrorCode::kShape, "x must have out's shape", x[i], "out",
              out[i]);
    }
    check_map_parameters(require, function, parameters);
    check_beta(require, beta);
  }
};

}  // namespace orthokit
