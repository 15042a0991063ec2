#pragma once
#include "core/op.h"
#include "ops/shared/arithmetic.h"
#include "ops/shared/rows.h"

namespace orthokit {

struct RowLogsumexp {
  static constexpr const char *name = "row_logsumexp",
                              *summary = "logarithm of the sum of exponentials of every row";
  static constexpr const char* about = R"(
  outᵢ = ln Σⱼ exp(xᵢⱼ) = mᵢ + ln Σⱼ exp(xᵢⱼ − mᵢ), mᵢ = maxⱼ xᵢⱼ.
  Numerics: exponentials in the dtype, the rest in f64, sums in a fixed order, rounded once: no
  exponential overflows. In f32 the sum is within 1.3e-7 of itself, however far x is from 0. A row
  of no elements, or of nothing but −inf, gives −inf; one that holds +inf gives +inf, a NaN NaN, as
  in PyTorch.
  Traffic: one read of x, one write of out; the second pass finds its row in cache.
  )";
  static constexpr const char* examples[] = {
      "x=f32[597x43] out=f32[597]", "x=f64[3x4097] out=f64[3]", "x=bf16[31x43] out=bf16[31]"};
  static constexpr const char* cases[] = {"x=f32[8192x1024] out=f32[8192]",
                                          "x=f32[64x1024] out=f32[64]"};
  View x, out;

  void fields(Fields& f) { f.in("x", x), f.out("out", out); }
  double flops() const {
    return (kExpFlops + 2 + wide_flops(x)) * double(x.size()) + kLogFlops * double(row_count(x));
  }
  void check(auto require) const {
    require(is_floating(x), ErrorCode::kDtype, "x must be floating", x);
    require(out.dtype == x.dtype, ErrorCode::kDtype, "out must have x's dtype", out);
    require(x.rank >= 1, ErrorCode::kShape, "x must have an axis", x);
    require(fits_rows(out, x), ErrorCode::kShape, "out must have one element a row of x", out, "x",
            x);
  }
};

}  // namespace orthokit
