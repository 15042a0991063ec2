#pragma once
#include "core/op.h"
#include "ops/shared/arithmetic.h"
#include "ops/shared/rows.h"

namespace orthokit {

struct RowSoftmax {
  static constexpr const char *name = "row_softmax", *summary = "softmax of every row";
  static constexpr const char* about = R"(
  outᵢⱼ = exp(xᵢⱼ − mᵢ) / Σₖ exp(xᵢₖ − mᵢ), mᵢ = maxₖ xᵢₖ. out may be x.
  Numerics: exponentials in the dtype, sums in a fixed order, in f64 or, of f32 on the CPU, in f32
  with what each addition rounds off beside them. In f32 results are within 3 ulp, however far apart
  the elements lie; results below 2⁻¹²⁶ too, an ulp there being 2⁻¹⁴⁹, and 0 below half of that. In
  f64 differences are rounded, and an exponential below 3.4e-308 is 0. −inf gives 0; a row that
  holds a NaN or +inf, or nothing but −inf, becomes NaN, as in PyTorch.
  Traffic: one read, one write; the second pass finds its row in cache.
  )";
  static constexpr const char* examples[] = {"x=f32[597x43] out=f32[597x43]",
                                             "x=f64[3x4097] out=f64[3x4097]",
                                             "x=f16[31x43] out=f16[31x43]"};
  static constexpr const char* cases[] = {"x=f32[8192x1024] out=f32[8192x1024]",
                                          "x=f32[64x1024] out=f32[64x1024]"};
  View x, out;

  void fields(Fields& f) { f.in("x", x), f.out("out", out, kMayAlias); }
  double flops() const { return (kExpFlops + 3 + wide_flops(x)) * double(x.size()); }
  void check(auto require) const {
    require(is_floating(x), ErrorCode::kDtype, "x must be floating", x);
    require(out.dtype == x.dtype, ErrorCode::kDtype, "out must have x's dtype", out);
    require(x.rank >= 1, ErrorCode::kShape, "x must have an axis", x);
    require(same_shape(out, x), ErrorCode::kShape, "out must have x's shape", out, "x", x);
  }
};

}  // namespace orthokit
