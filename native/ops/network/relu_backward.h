#pragma once
#include "ops/shared/beta.h"

namespace orthokit {

struct ReluBackward {
  static constexpr const char *name = "relu_backward",
                              *summary = "out = grad where x > 0, else 0, + beta out";
  static constexpr const char* about = R"(
  out = (x > 0 ? grad : 0) + beta · out, beta 0 or 1, where x is the input or the output of relu.
  out may be grad or x.
  Numerics: 0 where x is 0 or NaN; elsewhere grad passes unchanged, NaN too. beta = 0 does not read
  out.
  Traffic: two reads, one write.
  )";
  static constexpr const char* examples[] = {"grad=f32[597x43] x=f32[597x43] out=f32[597x43]",
                                             "grad=f64[4097] x=f64[4097] out=f64[4097]",
                                             "grad=f32[4097] x=f32[4097] out=f32[4097] beta=1",
                                             "grad=bf16[597] x=bf16[597] out=bf16[597]"};
  static constexpr const char* cases[] = {"grad=f32[8192x1024] x=f32[8192x1024] out=f32[8192x1024]",
                                          "grad=f32[64x1024] x=f32[64x1024] out=f32[64x1024]"};
  View grad, x, out;
  double beta = 0;

  void fields(Fields& f) {
    f.in("grad", grad), f.in("x", x), f.inout("out", out, kMayAlias), f.value("beta", beta);
  }
  double flops() const { return double(x.size()); }
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
