#pragma once
#include "core/op.h"
#include "ops/shared/arithmetic.h"
#include "ops/shared/rows.h"

namespace orthokit {

struct RmsNorm {
  static constexpr const char *name = "rms_norm", *summary = "every row by its root mean square";
  static constexpr const char* about = R"(
  outᵢⱼ = xᵢⱼ / √(mean over j of xᵢⱼ² + eps) · weightⱼ (Zhang and Sennrich 2019, equation 4). Rows lie
  along the last axis, of any rank from 1 on. Without a weight it is 1. out may be x.
  Numerics: sums of squares in f64 in a fixed order; the quotient of 1 and the root is rounded to
  f32, as are the two products, to f64 where x is, and once more to a dtype of 16 bits. A row of
  zeros stays zero; a NaN makes its row NaN, an infinity itself NaN and the rest of its row 0. In
  f64, elements above 1e154 have squares that are infinite.
  Traffic: one read, one write; the second pass finds its row in cache.
  )";
  static constexpr const char* examples[] = {
      "x=f32[597x43] out=f32[597x43]", "x=f64[3x4097] weight=f64[4097] out=f64[3x4097]",
      "x=f32[3x11x31] weight=f32[31] out=f32[3x11x31] eps=0.1",
      "x=f16[31x33] weight=f16[33] out=f16[31x33]",
      "x=bf16[1028] weight=bf16[1028] out=bf16[1028]"};
  static constexpr const char* cases[] = {
      "x=f32[8192x1024] weight=f32[1024] out=f32[8192x1024]",
      "x=f32[64x1024] weight=f32[1024] out=f32[64x1024]",
      "x=bf16[8192x1024] weight=bf16[1024] out=bf16[8192x1024]"};
  View x, weight, out;
  double eps = 1e-6;

  void fields(Fields& f) {
    f.in("x", x), f.in("weight", weight, kOptional), f.out("out", out, kMayAlias);
    f.value("eps", eps);
  }
  double flops() const { return (2 * wide_flops(x) + 2) * double(x.size()); }
  void check(auto require) const {
    require(is_floating(x), ErrorCode::kDtype, "x must be floating", x);
    require(x.rank >= 1, ErrorCode::kShape, "x must have an axis", x);
    require(out.dtype == x.dtype, ErrorCode::kDtype, "out must have x's dtype", out);
    require(same_shape(out, x), ErrorCode::kShape, "out must have x's shape", out, "x", x);
    if (weight) {
      require(weight.dtype == x.dtype, ErrorCode::kDtype, "weight must have x's dtype", weight);
      require(fits_columns(weight, x), ErrorCode::kShape,
              "weight must have one element a column of x", weight, "x", x);
    }
    require(eps > 0, ErrorCode::kArgument, "eps must be positive", eps);
  }
};

}  // namespace orthokit
