#pragma once
#include "core/op.h"

namespace orthokit {

struct ScaleEach {
  static constexpr const char *name = "scale_each", *summary = "out = its own factor times x";
  static constexpr const char* about = R"(
  outₚ = factorsₚ · xₚ in out's dtype, for each tensor p of the list.
  Numerics: the product in f32, or f64 where x or out is; then rounded to out's dtype. A factor
  past the range of that type counts as its largest number, so that 0 stays 0.
  Traffic: one read, one write.
  )";
  static constexpr const char* examples[] = {
      "out=f32[597x43],f32[31],f32[0] x=f32[597x43],f32[31],f32[0] factors=f64[3]",
      "out=bf16[4097],f16[31] x=f32[4097],f64[31] factors=f64[2]",
      "out=f64[33] x=f64[33] factors=f64[1]"};
  static constexpr const char* cases[] = {"out=f32[8192x1024] x=f32[8192x1024] factors=f64[1]",
                                          "out=bf16[64x1024] x=f32[64x1024] factors=f64[1]"};
  List<View> out, x;
  View factors;  // f64, one a tensor

  void fields(Fields& f) { f.out("out", out, kMayAlias), f.in("x", x), f.in("factors", factors); }
  double flops() const {
    double n = 0;
    for (auto& v : out) n += double(v.size());
    return n;
  }
  void check(auto require) const {
    require(out.count == x.count, ErrorCode::kArgument, "x must be as many as out",
            double(x.count));
    require.array("factors must be f64 with one element a tensor", factors, Dtype::kF64, x.count);
    for (int64_t i = 0; i < out.count; ++i) {
      require(is_floating(out[i]), ErrorCode::kDtype, "out must be floating", out[i]);
      require(is_floating(x[i]), ErrorCode::kDtype, "x must be floating", x[i]);
      require(same_shape(out[i], x[i]), ErrorCode::kShape, "x must have out's shape", x[i], "out",
              out[i]);
    }
  }
};

}  // namespace orthokit
