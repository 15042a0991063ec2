#pragma once
#include "ops/network/shared/gelu_form.h"
#include "ops/shared/arithmetic.h"
#include "ops/shared/beta.h"

namespace orthokit {

struct GeluBackward {
  static constexpr const char *name = "gelu_backward",
                              *summary = "out = grad times slope of gelu + beta out";
  static constexpr const char* about = R"(
  out = grad · gelu'(x) + beta · out, beta 0 or 1, where x is the input of gelu and `form` the same:
  form erf:  gelu'(x) = Φ(x) + x φ(x), where φ is the density of the normal distribution
  form tanh: gelu'(x) = s + x s (1 − s) u', where s = (1 + tanh(u/2)) / 2,
             u = √(8/π) (x + 0.044715 x³)
  out may be grad or x.
  Numerics: in the dtype, within 8 ulp of grad, in f32 6. The derivative is 0 at −inf, in f64 below
  −37.6 (erf) and −21.1 (tanh) already, where an exponential would be subnormal, and 1 at +inf; a
  NaN passes. The product is rounded before it is added; beta = 0 does not read out.
  Traffic: two reads, one write.
  )";
  static constexpr const char* examples[] = {
      "grad=f32[597x43] x=f32[597x43] out=f32[597x43]",
      "grad=f64[4097] x=f64[4097] out=f64[4097]",
      "grad=f32[4097] x=f32[4097] out=f32[4097] form=tanh",
      "grad=f64[597x43] x=f64[597x43] out=f64[597x43] form=tanh",
      "grad=f32[597x43] x=f32[597x43] out=f32[597x43] beta=1",
      "grad=f16[597] x=f16[597] out=f16[597] form=tanh"};
  static constexpr const char* cases[] = {
      "grad=f32[8192x1024] x=f32[8192x1024] out=f32[8192x1024]",
      "grad=f32[8192x1024] x=f32[8192x1024] out=f32[8192x1024] form=tanh",
      "grad=f32[64x1024] x=f32[64x1024] out=f32[64x1024]"};
  View grad, x, out;
  GeluForm form = GeluForm::kErf;
  double beta = 0;

  void fields(Fields& f) {
    f.in("grad", grad), f.in("x", x), f.inout("out", out, kMayAlias), f.value("form", form);
    f.value("beta", beta);
  }
  double flops() const {
    return double(x.size()) * (form == GeluForm::kErf ? kNormalTailFlops + 6 : kSigmoidFlops + 16);
  }
  double bytes() const { return double(bytes_in(grad) + bytes_in(x)) + bytes_of_result(out, beta); }
  void check(auto require) const {
    require(is_floating(grad), ErrorCode::kDtype, "grad must be floating", grad);
    require(x.dtype == grad.dtype, ErrorCode::kDtype, "x must have grad's dtype", x);
    require(out.dtype == grad.dtype, ErrorCode::kDtype, "out must have grad's dtype", out);
    require(same_shape(x, grad), ErrorCode::kShape, "x must have grad's shape", x, "grad", grad);
    require(same_shape(out, grad), ErrorCode::kShape, "out must have grad's shape", out, "grad",
            grad);
    check_beta(require, beta);
  }
};

}  // namespace orthokit
