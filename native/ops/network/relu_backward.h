#pragma once
#include "core/op.h"

namespace orthokit {

struct ReluBackward {
  static constexpr const char *name = "relu_backward", *summary = "out = grad where x > 0, else 0";
  static constexpr const char* about = R"(
  out = x > 0 ? grad : 0, where x is the input or the output of relu. out may be grad or x.
  Numerics: 0 where x is 0 or NaN; elsewhere grad passes unchanged, NaN too.
  Traffic: two reads, one write.
  )";
  static constexpr const char* examples[] = {"grad=f32[597x43] x=f32[597x43] out=f32[597x43]",
                                             "grad=f64[4097] x=f64[4097] out=f64[4097]"};
  static constexpr const char* cases[] = {"grad=f32[8192x1024] x=f32[8192x1024] out=f32[8192x1024]",
                                          "grad=f32[64x1024] x=f32[64x1024] out=f32[64x1024]"};
  View grad, x, out;

  void fields(Fields& f) { f.in("grad", grad), f.in("x", x), f.out("out", out, kMayAlias); }
  double flops() const { return double(x.size()); }
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
