#pragma once
#include "ops/elementwise/shared/elementwise.h"

namespace orthokit {

struct Multiply {
  static constexpr const char *name = "multiply", *summary = "out = x y, element by element";
  static constexpr const char* about = R"(
  outₚ = xₚ ⊙ yₚ, element by element, for each tensor p of the list. An output may be a factor too.
  Numerics: one product in the tensors' dtype, 16 bits by way of f32; 0 · inf is NaN.
  Traffic: two reads, one write.
  )";
  static constexpr const char* examples[] = {
      "out=f32[597x43],f32[31] x=f32[597x43],f32[31] y=f32[597x43],f32[31]",
      "out=f64[4097],f64[0] x=f64[4097],f64[0] y=f64[4097],f64[0]",
      "out=bf16[4097],f16[31] x=bf16[4097],f16[31] y=bf16[4097],f16[31]"};
  static constexpr const char* cases[] = {"out=f32[8192x1024] x=f32[8192x1024] y=f32[8192x1024]",
                                          "out=bf16[8192x1024] x=bf16[8192x1024] y=bf16[8192x1024]",
                                          "out=f32[64x1024] x=f32[64x1024] y=f32[64x1024]"};
  List<View> out, x, y;

  void fields(Fields& f) { f.out("out", out, kMayAlias), f.in("x", x), f.in("y", y); }
  double flops() const { return total_size(out); }
  void check(auto require) const { check_elementwise(require, out, x, y); }
};

}  // namespace orthokit
