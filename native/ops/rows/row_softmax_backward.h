#pragma once
#include "core/op.h"
#include "ops/shared/arithmetic.h"
#include "ops/shared/beta.h"
#include "ops/shared/rows.h"

namespace orthokit {

struct RowSoftmaxBackward {
  static constexpr const char *name = "row_softmax_backward",
                              *summary = "out = y (grad - sum of grad y) + beta out, by rows";
  static constexpr const char* about = R"(
  outᵢⱼ = yᵢⱼ (gradᵢⱼ − Σₖ gradᵢₖ yᵢₖ) + beta · outᵢⱼ, beta 0 or 1, where y is the output of
  row_softmax. out may be grad or y.
  Numerics: in f64, rounded before it is added. A NaN or an infinity leaves no finite number in its
  row. beta = 0 does not read out.
  Traffic: two reads, one write.
  )";
  static constexpr const char* examples[] = {"grad=f32[597x43] y=f32[597x43] out=f32[597x43]",
                                             "grad=f64[3x4097] y=f64[3x4097] out=f64[3x4097]",
                                             "grad=f32[31x43] y=f32[31x43] out=f32[31x43] beta=1",
                                             "grad=bf16[31x43] y=bf16[31x43] out=bf16[31x43]"};
  static constexpr const char* cases[] = {"grad=f32[8192x1024] y=f32[8192x1024] out=f32[8192x1024]",
                                          "grad=f32[64x1024] y=f32[64x1024] out=f32[64x1024]"};
  View grad, y, out;
  double beta = 0;

  void fields(Fields& f) {
    f.in("grad", grad), f.in("y", y), f.inout("out", out, kMayAlias), f.value("beta", beta);
  }
  double bytes() const { return double(bytes_in(grad) + bytes_in(y)) + bytes_of_result(out, beta); }
  double flops() const { return 4 * wide_flops(grad) * double(y.size()); }
  void check(auto require) const {
    require(is_floating(grad), ErrorCode::kDtype, "grad must be floating", grad);
    require(y.dtype == grad.dtype, ErrorCode::kDtype, "y must have grad's dtype", y);
    require(out.dtype == grad.dtype, ErrorCode::kDtype, "out must have grad's dtype", out);
    require(grad.rank >= 1, ErrorCode::kShape, "grad must have an axis", grad);
    require(same_shape(y, grad), ErrorCode::kShape, "y must have grad's shape", y, "grad", grad);
    require(same_shape(out, grad), ErrorCode::kShape, "out must have grad's shape", out, "grad",
            grad);
    check_beta(require, beta);
  }
};

}  // namespace orthokit
