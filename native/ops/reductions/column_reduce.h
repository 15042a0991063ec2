#pragma once
#include "ops/reductions/shared/reduction.h"

namespace orthokit {

struct ColumnReduce {
  static constexpr const char *name = "column_reduce",
                              *summary =
                                  "sum, mean, maximum, sum of squares or norm of every column";
  static constexpr const char* about = R"(
  outⱼ = Σᵢ xᵢⱼ, that sum / rows, maxᵢ xᵢⱼ, Σᵢ xᵢⱼ², or the root of that, by the word, of a matrix or
  of each one of a batch: of x's axes, the one before the last is gone. column_sum adds to what is
  there.
  Numerics: squares and sums in f64, in a fixed order, rounded once to out's dtype: x's, or f64,
  where squares of f32 cannot overflow. A norm is right for f64 of any size. A NaN makes its column
  NaN, in a maximum too. Columns of no elements have sum and norm 0, mean NaN and maximum −inf.
  Traffic: one read of x, one write of out; for norms on the CPU a second read of f64 columns whose
  squares leave the range of f64.
  )";
  static constexpr const char* examples[] = {
      "x=f32[597x43] out=f32[43]",
      "x=f64[4097x1] out=f64[1] reduction=mean",
      "x=f32[597x43] out=f32[43] reduction=max",
      "x=f32[33x1025] out=f64[1025] reduction=sum_of_squares",
      "x=f32[3x597x5] out=f32[3x5] reduction=mean",
      "x=f64[3x597x5] out=f64[3x5] reduction=norm",
      "x=f32[33x1025] out=f64[1025] reduction=norm",
      "x=f16[31x33] out=f64[33] reduction=sum_of_squares"};
  static constexpr const char* cases[] = {
      "x=f32[8192x1024] out=f32[1024]", "x=f32[8192x1024] out=f32[1024] reduction=max",
      "x=f32[8192x1024] out=f32[1024] reduction=sum_of_squares", "x=f32[64x1024] out=f32[1024]",
      "x=f32[64x128x1024] out=f32[64x1024]"};
  View x, out;
  Reduction reduction = Reduction::kSum;

  void fields(Fields& f) { f.in("x", x), f.out("out", out), f.value("reduction", reduction); }
  int64_t rows() const { return x.shape[x.rank - 2]; }
  int64_t batch() const {
    int64_t count = 1;
    for (int i = 0; i + 2 < x.rank; ++i) count *= x.shape[i];
    return count;
  }
  double flops() const { return reduction_flops(x, reduction); }
  void check(auto require) const {
    check_reduced_dtypes(require, x, out);
    require(x.rank >= 2, ErrorCode::kShape, "x must have two axes", x);
    View reduced = x;
    reduced.rank = x.rank - 1, reduced.shape[x.rank - 2] = row_length(x);
    require(same_shape(out, reduced), ErrorCode::kShape, "out must have one element a column of x",
            out, "x", x);
  }
};

}  // namespace orthokit
