#pragma once
#include "core/op.h"
#include "ops/shared/arithmetic.h"
#include "ops/shared/rows.h"

namespace orthokit {

struct ColumnSum {
  static constexpr const char *name = "column_sum",
                              *summary = "out = sum of the rows of x + beta out";
  static constexpr const char* about = R"(
  outⱼ = Σᵢ xᵢⱼ + beta · outⱼ: the gradient of a bias. A row is as much of the last axes of x as out
  has; the axes before them are gone. No rows leave beta · out.
  Numerics: sums in f64 in a fixed order, rounded once to the dtype. beta = 0 does not read out.
  Traffic: one read of x, one write of out.
  )";
  static constexpr const char* examples[] = {
      "x=f32[597x43] out=f32[43]", "x=f64[4097x1] out=f64[1] beta=0.5",
      "x=f32[3x1025] out=f32[1025] beta=-1", "x=f32[7x5x31] out=f32[5x31]",
      "x=f16[31x33] out=f16[33] beta=1"};
  static constexpr const char* cases[] = {"x=f32[8192x1024] out=f32[1024]",
                                          "x=f32[64x1024] out=f32[1024]"};
  View x, out;
  double beta = 0;

  void fields(Fields& f) { f.in("x", x), f.inout("out", out), f.value("beta", beta); }
  double flops() const { return wide_flops(x) * double(x.size()); }
  double bytes() const { return double(bytes_in(x) + (beta == 0 ? 1 : 2) * bytes_in(out)); }
  void check(auto require) const {
    require(is_floating(x), ErrorCode::kDtype, "x must be floating", x);
    require(out.dtype == x.dtype, ErrorCode::kDtype, "out must have x's dtype", out);
    require(fits_last_axes(out, x), ErrorCode::kShape, "out must have the last axes of x", out, "x",
            x);
  }
};

}  // namespace orthokit
