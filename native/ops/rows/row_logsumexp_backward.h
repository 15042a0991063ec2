#pragma once
#include "core/op.h"
#include "ops/shared/arithmetic.h"
#include "ops/shared/rows.h"

namespace orthokit {

struct RowLogsumexpBackward {
  static constexpr const char *name = "row_logsumexp_backward",
                              *summary = "out = grad times softmax of x, by rows";
  static constexpr const char* about = R"(
  outᵢⱼ = gradᵢ exp(xᵢⱼ − mᵢ) / Σₖ exp(xᵢₖ − mᵢ), where x is the input of row_logsumexp and grad
  the gradient of its output: grad times the softmax of the row. out may be x.
  Numerics: as in row_softmax, whose sums are computed again: no difference with a rounded
  logarithm is taken. In f32 an element more than 120 below the largest gives 0 whatever grad is.
  Traffic: one read of x and grad, one write; the second pass finds its row in cache.
  )";
  static constexpr const char* examples[] = {"grad=f32[597] x=f32[597x43] out=f32[597x43]",
                                             "grad=f64[3] x=f64[3x4097] out=f64[3x4097]",
                                             "grad=f16[31] x=f16[31x43] out=f16[31x43]"};
  static constexpr const char* cases[] = {"grad=f32[8192] x=f32[8192x1024] out=f32[8192x1024]",
                                          "grad=f32[64] x=f32[64x1024] out=f32[64x1024]"};
  View grad, x, out;

  void fields(Fields& f) { f.in("grad", grad), f.in("x", x), f.out("out", out, kMayAlias); }
  double flops() const { return (kExpFlops + 3 + wide_flops(grad)) * double(x.size()); }
  void check(auto require) const {
    require(is_floating(x), ErrorCode::kDtype, "x must be floating", x);
    require(grad.dtype == x.dtype, ErrorCode::kDtype, "grad must have x's dtype", grad);
    require(out.dtype == x.dtype, ErrorCode::kDtype, "out must have x's dtype", out);
    require(x.rank >= 1, ErrorCode::kShape, "x must have an axis", x);
    require(fits_rows(grad, x), ErrorCode::kShape, "grad must have one element a row of x", grad,
            "x", x);
    require(same_shape(out, x), ErrorCode::kShape, "out must have x's shape", out, "x", x);
  }
};

}  // namespace orthokit
