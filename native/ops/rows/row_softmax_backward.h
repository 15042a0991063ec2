#pragma once
#include "core/op.h"
#include "ops/shared/arithmetic.h"
#include "ops/shared/rows.h"

namespace orthokit {

struct RowSoftmaxBackward {
  static constexpr const char *name = "row_softmax_backward",
                              *summary = "out = y (grad - sum of grad y), by rows";
  static constexpr const char* about = R"(
  outᵢⱼ = yᵢⱼ (gradᵢⱼ − Σₖ gradᵢₖ yᵢₖ), where y is the output of row_softmax. out may be grad or y.
  Numerics: in f64, rounded once. A NaN or an infinity leaves no finite number in its row.
  Traffic: two reads, one write.
  )";
  static constexpr const char* examples[] = {"grad=f32[597x43] y=f32[597x43] out=f32[597x43]",
                                             "grad=f64[3x4097] y=f64[3x4097] out=f64[3x4097]"};
  static constexpr const char* cases[] = {"grad=f32[8192x1024] y=f32[8192x1024] out=f32[8192x1024]",
                                          "grad=f32[64x1024] y=f32[64x1024] out=f32[64x1024]"};
  View grad, y, out;

  void fields(Fields& f) { f.in("grad", grad), f.in("y", y), f.out("out", out, kMayAlias); }
  double flops() const { return 4 * wide_flops(grad) * double(y.size()); }
  void check(auto require) const {
    require(is_f32_or_f64(grad), ErrorCode::kDtype, "grad must be f32 or f64", grad);
    require(y.dtype == grad.dtype, ErrorCode::kDtype, "y must have grad's dtype", y);
    require(out.dtype == grad.dtype, ErrorCode::kDtype, "out must have grad's dtype", out);
    require(grad.rank >= 1, ErrorCode::kShape, "grad must have an axis", grad);
    require(same_shape(y, grad), ErrorCode::kShape, "y must have grad's shape", y, "grad", grad);
    require(same_shape(out, grad), ErrorCode::kShape, "out must have grad's shape", out, "grad",
            grad);
  }
};

}  // namespace orthokit
