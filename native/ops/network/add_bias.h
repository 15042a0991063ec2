#pragma once
#include "core/op.h"
#include "ops/shared/rows.h"

namespace orthokit {

struct AddBias {
  static constexpr const char *name = "add_bias", *summary = "out = x + bias, row by row";
  static constexpr const char* about = R"(
  outᵢⱼ = xᵢⱼ + biasⱼ, where a row j is as much of the last axes of x as bias has. out may be x.
  Numerics: one sum in the dtype. Traffic: one read of x, one write of out.
  )";
  static constexpr const char* examples[] = {"x=f32[597x43] bias=f32[43] out=f32[597x43]",
                                             "x=f64[1x4097] bias=f64[4097] out=f64[1x4097]",
                                             "x=f32[7x5x31] bias=f32[5x31] out=f32[7x5x31]",
                                             "x=bf16[31x33] bias=bf16[33] out=bf16[31x33]"};
  static constexpr const char* cases[] = {"x=f32[8192x1024] bias=f32[1024] out=f32[8192x1024]",
                                          "x=f32[64x1024] bias=f32[1024] out=f32[64x1024]"};
  View x, bias, out;

  void fields(Fields& f) { f.in("x", x), f.in("bias", bias), f.out("out", out, kMayAlias); }
  double flops() const { return double(x.size()); }
  void check(auto require) const {
    require(is_floating(x), ErrorCode::kDtype, "x must be floating", x);
    require(bias.dtype == x.dtype, ErrorCode::kDtype, "bias must have x's dtype", bias);
    require(out.dtype == x.dtype, ErrorCode::kDtype, "out must have x's dtype", out);
    require(fits_last_axes(bias, x), ErrorCode::kShape, "bias must have the last axes of x", bias,
            "x", x);
    require(same_shape(out, x), ErrorCode::kShape, "out must have x's shape", out, "x", x);
  }
};

}  // namespace orthokit
