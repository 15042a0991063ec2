#pragma once
#include "ops/network/shared/gelu_form.h"
#include "ops/shared/arithmetic.h"

namespace orthokit {

struct Gelu {
  static constexpr const char *name = "gelu", *summary = "out = x times normal distribution at x";
  static constexpr const char* about = R"(
  form erf:  out = x Φ(x) = x/2 (1 + erf(x / √2))
  form tanh: out = x/2 (1 + tanh(√(2/π) (x + 0.044715 x³)))
  out may be x.
  Numerics: in the dtype, with the tail of Φ to its full relative precision: within 6.5 ulp in f32,
  the tanh form 4 (1 + x²), and 8 in f64, the tanh form times 1 + x² below 0. −0 where the result
  would be too small, in f64 below −37.6 (erf) and −21.1 (tanh) already, where the exponential
  would be subnormal, and for −inf; +inf and NaN pass.
  Traffic: one read, one write.
  )";
  static constexpr const char* examples[] = {
      "x=f32[597x43] out=f32[597x43]", "x=f64[4097] out=f64[4097]",
      "x=f32[4097] out=f32[4097] form=tanh", "x=f64[597x43] out=f64[597x43] form=tanh",
      "x=bf16[597] out=bf16[597]"};
  static constexpr const char* cases[] = {"x=f32[8192x1024] out=f32[8192x1024]",
                                          "x=f32[8192x1024] out=f32[8192x1024] form=tanh",
                                          "x=f32[64x1024] out=f32[64x1024]"};
  View x, out;
  GeluForm form = GeluForm::kErf;

  void fields(Fields& f) { f.in("x", x), f.out("out", out, kMayAlias), f.value("form", form); }
  double flops() const {
    return double(x.size()) * (form == GeluForm::kErf ? kNormalTailFlops + 3 : kSigmoidFlops + 6);
  }
  void check(auto require) const {
    require(is_floating(x), ErrorCode::kDtype, "x must be floating", x);
    require(out.dtype == x.dtype, ErrorCode::kDtype, "out must have x's dtype", out);
    require(same_shape(out, x), ErrorCode::kShape, "out must have x's shape", out, "x", x);
  }
};

}  // namespace orthokit
