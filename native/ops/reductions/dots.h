#pragma once
#include "core/op.h"

namespace orthokit {

struct Dots {
  static constexpr const char *name = "dots",
                              *summary = "inner product of each pair, on the device";
  static constexpr const char* about = R"(
  outₚ = Σᵢ xₚᵢ yₚᵢ for each pair p of tensors, on the device; 0 where they have no elements.
  Numerics: products and sums in f64, in a fixed order: right for f32 of any size.
  Traffic: one read of x and y.
  )";
  static constexpr const char* examples[] = {
      "x=f32[597x43],f32[1],f32[0] y=f32[597x43],f32[1],f32[0] out=f64[3]",
      "x=f64[200000] y=f64[200000] out=f64[1]", "x=bf16[33] y=f16[33] out=f64[1]"};
  static constexpr const char* cases[] = {"x=f32[8192x1024] y=f32[8192x1024] out=f64[1]",
                                          "x=f32[64x1024] y=f32[64x1024] out=f64[1]"};
  List<View> x, y;
  View out;

  void fields(Fields& f) { f.in("x", x), f.in("y", y), f.out("out", out); }
  double flops() const {
    double n = 0;
    for (auto& v : x) n += 2.0 * double(v.size());
    return n;
  }
  void check(auto require) const {
    require(y.count == x.count, ErrorCode::kArgument, "y must be as many as x", double(y.count));
    require(out.dtype == Dtype::kF64, ErrorCode::kDtype, "out must be f64", out);
    require(out.size() == x.count, ErrorCode::kShape, "out must have one element a pair", out);
    for (int64_t i = 0; i < x.count; ++i) {
      require(is_floating(x[i]), ErrorCode::kDtype, "x must be floating", x[i]);
      require(is_floating(y[i]), ErrorCode::kDtype, "y must be floating", y[i]);
      require(same_shape(y[i], x[i]), ErrorCode::kShape, "y must have x's shape", y[i], "x", x[i]);
    }
  }
};

}  // namespace orthokit
