#pragma once
#include "ops/shared/beta.h"

namespace orthokit {

struct ScaleAxis {
  static constexpr const char *name = "scale_axis",
                              *summary = "out = x times a number for each place of an axis";
  static constexpr const char* about = R"(
  out[…, i, …] = x[…, i, …] · scaleᵢ + beta · out[…, i, …], where i counts along `axis`, from the end
  where it is negative: rows, columns or channels, each by its own factor. beta 0 or 1. out may be
  x.
  Numerics: one product in the dtype, in f32 for those of 16 bits, rounded before it is added;
  0 · inf is NaN. beta = 0 does not read out.
  Traffic: one read, one write.
  )";
  static constexpr const char* examples[] = {
      "x=f32[597x43] scale=f32[43] out=f32[597x43]",
      "x=f64[597x43] scale=f64[597] out=f64[597x43] axis=0",
      "x=f32[7x5x31] scale=f32[5] out=f32[7x5x31] axis=1 beta=1",
      "x=bf16[7x33] scale=bf16[33] out=bf16[7x33]"};
  static constexpr const char* cases[] = {
      "x=f32[8192x1024] scale=f32[1024] out=f32[8192x1024]",
      "x=f32[8192x1024] scale=f32[8192] out=f32[8192x1024] axis=0",
      "x=f32[64x1024] scale=f32[1024] out=f32[64x1024]"};
  View x, scale, out;
  int64_t axis = -1;
  double beta = 0;

  int place() const { return int(axis < 0 ? axis + x.rank : axis); }
  int64_t outer() const {
    int64_t count = 1;
    for (int i = 0; i < place(); ++i) count *= x.shape[i];
    return count;
  }
  int64_t inner() const {
    int64_t count = 1;
    for (int i = place() + 1; i < x.rank; ++i) count *= x.shape[i];
    return count;
  }
  void fields(Fields& f) {
    f.in("x", x), f.in("scale", scale), f.inout("out", out, kMayAlias);
    f.value("axis", axis), f.value("beta", beta);
  }
  double flops() const { return double(x.size()) * (beta == 0 ? 1 : 2); }
  double bytes() const {
    return double(bytes_in(x) + bytes_in(scale)) + bytes_of_result(out, beta);
  }
  void check(auto require) const {
    require(is_floating(x), ErrorCode::kDtype, "x must be floating", x);
    require(scale.dtype == x.dtype, ErrorCode::kDtype, "scale must have x's dtype", scale);
    require(out.dtype == x.dtype, ErrorCode::kDtype, "out must have x's dtype", out);
    require(axis >= -x.rank && axis < x.rank, ErrorCode::kArgument, "axis must be one of x's",
            double(axis));
    require(scale.rank == 1 && scale.shape[0] == x.shape[place()], ErrorCode::kShape,
            "scale must have one element a place of the axis", scale, "x", x);
    require(same_shape(out, x), ErrorCode::kShape, "out must have x's shape", out, "x", x);
    check_beta(require, beta);
  }
};

}  // namespace orthokit
