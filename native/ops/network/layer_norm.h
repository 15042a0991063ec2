#pragma once
#include "core/op.h"
#include "ops/shared/arithmetic.h"
#include "ops/shared/rows.h"

namespace orthokit {

struct LayerNorm {
  static constexpr const char *name = "layer_norm",
                              *summary = "every row less its mean, by its standard deviation";
  static constexpr const char* about = R"(
  outᵢⱼ = (xᵢⱼ − mᵢ) / √(vᵢ + eps) · weightⱼ + biasⱼ, where mᵢ is the mean of row i and vᵢ the mean
  of (xᵢⱼ − mᵢ)² (Ba, Kiros and Hinton 2016, equation 4). Without a weight it is 1, without a bias
  0. out may be x.
  Numerics: means in f64 in a fixed order; the rest in f64, or in f32 with three roundings: within
  2.5 ulp of the largest of |hᵢⱼ weightⱼ|, |biasⱼ| and |outᵢⱼ|. A row of equal elements becomes the
  bias; a row that holds a NaN or an infinity becomes NaN.
  Traffic: one read, one write; the passes after the first find their row in cache.
  )";
  static constexpr const char* examples[] = {
      "x=f32[597x43] out=f32[597x43]",
      "x=f64[3x4097] weight=f64[4097] bias=f64[4097] out=f64[3x4097]",
      "x=f32[33x31] weight=f32[31] out=f32[33x31] eps=0.1",
      "x=f32[31x33] bias=f32[33] out=f32[31x33]",
      "x=bf16[31x33] weight=bf16[33] bias=bf16[33] out=bf16[31x33]"};
  static constexpr const char* cases[] = {
      "x=f32[8192x1024] weight=f32[1024] bias=f32[1024] out=f32[8192x1024]",
      "x=f32[64x1024] weight=f32[1024] bias=f32[1024] out=f32[64x1024]"};
  View x, weight, bias, out;
  double eps = 1e-5;

  void fields(Fields& f) {
    f.in("x", x), f.in("weight", weight, kOptional), f.in("bias", bias, kOptional);
    f.out("out", out, kMayAlias), f.value("eps", eps);
  }
  double flops() const { return (4 * wide_flops(x) + 5) * double(x.size()); }
  void check(auto require) const {
    require(is_floating(x), ErrorCode::kDtype, "x must be floating", x);
    require(out.dtype == x.dtype, ErrorCode::kDtype, "out must have x's dtype", out);
    require(x.rank >= 1, ErrorCode::kShape, "x must have an axis", x);
    require(same_shape(out, x), ErrorCode::kShape, "out must have x's shape", out, "x", x);
    if (weight) {
      require(weight.dtype == x.dtype, ErrorCode::kDtype, "weight must have x's dtype", weight);
      require(fits_columns(weight, x), ErrorCode::kShape,
              "weight must have one element a column of x", weight, "x", x);
    }
    if (bias) {
      require(bias.dtype == x.dtype, ErrorCode::kDtype, "bias must have x's dtype", bias);
      require(fits_columns(bias, x), ErrorCode::kShape, "bias must have one element a column of x",
              bias, "x", x);
    }
    require(eps > 0, ErrorCode::kArgument, "eps must be positive", eps);
  }
};

}  // namespace orthokit
