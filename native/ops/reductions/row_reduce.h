#pragma once
#include "ops/reductions/shared/reduction.h"

namespace orthokit {

struct RowReduce {
  static constexpr const char *name = "row_reduce",
                              *summary = "sum, mean, maximum, sum of squares or norm of every row";
  static constexpr const char* about = R"(
  outᵢ = Σⱼ xᵢⱼ, that sum / columns, maxⱼ xᵢⱼ, Σⱼ xᵢⱼ², or the root of that, by the word. The last
  axis of x is the row.
  Numerics: squares and sums in f64, in a fixed order, rounded once to out's dtype: x's, or f64,
  where squares of f32 cannot overflow. A norm is right for f64 of any size. A NaN makes its row
  NaN, in a maximum too. Rows of no elements have sum and norm 0, mean NaN and maximum −inf.
  Traffic: one read of x, one write of out; for norms on the CPU a second read of f64 rows whose
  squares leave the range of f64.
  )";
  static constexpr const char* examples[] = {"x=f32[597x43] out=f32[597]",
                                             "x=f64[3x40001] out=f64[3] reduction=mean",
                                             "x=f32[597x43] out=f32[597] reduction=max",
                                             "x=f32[31x4097] out=f64[31] reduction=sum_of_squares",
                                             "x=f64[31x1025] out=f64[31] reduction=norm",
                                             "x=f32[597x43] out=f64[597] reduction=norm",
                                             "x=f32[3x5x31] out=f64[3x5] reduction=mean",
                                             "x=bf16[31x33] out=bf16[31]"};
  static constexpr const char* cases[] = {
      "x=f32[8192x1024] out=f32[8192]", "x=f32[8192x1024] out=f32[8192] reduction=max",
      "x=f32[8192x1024] out=f32[8192] reduction=sum_of_squares", "x=f32[1x8388608] out=f32[1]",
      "x=f32[64x1024] out=f32[64]"};
  View x, out;
  Reduction reduction = Reduction::kSum;

  void fields(Fields& f) { f.in("x", x), f.out("out", out), f.value("reduction", reduction); }
  double flops() const { return reduction_flops(x, reduction); }
  void check(auto require) const {
    check_reduced_dtypes(require, x, out);
    require(x.rank >= 1, ErrorCode::kShape, "x must have an axis", x);
    require(fits_rows(out, x), ErrorCode::kShape, "out must have one element a row of x", out, "x",
            x);
  }
};

}  // namespace orthokit
