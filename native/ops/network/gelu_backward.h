#pragma once
#include "ops/network/shared/gelu_form.h"
#include "ops/shared/arithmetic.h"

namespace orthokit {

struct GeluBackward {
  static constexpr const char *name = "gelu_backward", *summary = "out = grad times slope of gelu";
  static constexpr const char* about = R"(
  out = grad · gelu'(x), where x is the input of gelu and `form` the same:
  form erf:  gelu'(x) = Φ(x) + x φ(x), where φ is the density of the normal distribution
  form tanh: gelu'(x) = s + x s (1 − s) u', where s = (1 + tanh(u/2)) / 2,
             u = √(8/π) (x + 0.044715 x³)
  out may be grad or x.
  Numerics: in the dtype, within 8 ulp of grad, in f32 6. The derivative is 0 at −inf, in f64 below
  −37.6 (erf) and −21.1 (tanh) already, where an exponential would be subnormal, and 1 at +inf; a
  NaN passes.
  Traffic: two reads, one write.
  )";
  static constexpr const char* examples[] = {
      "grad=f32[597x43] x=f32[597x43] out=f32[597x43]", "grad=f64[4097] x=f64[4097] out=f64[4097]",
      "grad=f32[4097] x=f32[4097] out=f32[4097] form=tanh",
      "grad=f64[597x43] x=f64[597x43] out=f64[597x43] form=tanh"};
  static constexpr const char* cases[] = {
      "grad=f32[8192x1024] x=f32[8192x1024] out=f32[8192x1024]",
      "grad=f32[8192x1024] x=f32[8192x1024] out=f32[8192x1024] form=tanh",
      "grad=f32[64x1024] x=f32[64x1024] out=f32[64x1024]"};
  View grad, x, out;
  GeluForm form = GeluForm::kErf;

  void fields(Fields& f) {
    f.in("grad", grad), f.in("x", x), f.out("out", out, kMayAlias), f.value("form", form);
  }
  double flops() const {
    return double(x.size()) * (form == GeluForm::kErf ? kNormalTailFlops + 6 : kSigmoidFlops + 16);
  }
  void check(auto require) const {
    require(is_f32_or_f64(grad), ErrorCode::kDtype, "grad must be f32 or f64", grad);
    require(x.dtype == grad.dtype, ErrorCode::kDtype, "x must have grad's dtype", x);
    require(out.dtype == grad.dtype, ErrorCode::kDtype, "out must have grad's dtype", out);
    require(same_shape(x, grad), ErrorCode::kShape, "x must have grad's shape", x, "grad", grad);
    require(same_shape(out, grad), ErrorCode::kShape, "out must have grad's shape", out, "grad",
            grad);
  }
};

}  // namespace orthokit
