#pragma once
#include "core/op.h"

namespace orthokit {

struct ClipEach {
  static constexpr const char *name = "clip_each",
                              *summary =
                                  "out = x, no element larger in size than its tensor's limit";
  static constexpr const char* about = R"(
  out = sign(x) min(|x|, limitsₚ) for each tensor p of the list, or with one limit for all.
  Numerics: the limit is rounded to f32, or not where out is f64, then to out's dtype; a limit that
  is an element of x stays exact. NaN stays NaN, and a limit that is NaN is none.
  Traffic: one read, one write.
  )";
  static constexpr const char* examples[] = {
      "out=f32[597x43],f32[31],f32[0] x=f32[597x43],f32[31],f32[0] limits=f64[3]",
      "out=bf16[4097],f16[31] x=bf16[4097],f16[31] limits=f64[2]",
      "out=f64[33],f64[4097] x=f64[33],f64[4097] limits=f64[1]"};
  static constexpr const char* cases[] = {"out=f32[8192x1024] x=f32[8192x1024] limits=f64[1]",
                                          "out=f32[64x1024] x=f32[64x1024] limits=f64[1]"};
  List<View> out, x;
  View limits;  // f64, one a tensor, or one

  int64_t limit_of(int64_t tensor) const { return limits.size() == 1 ? 0 : tensor; }
  void fields(Fields& f) { f.out("out", out, kMayAlias), f.in("x", x), f.in("limits", limits); }
  double flops() const {
    double n = 0;
    for (auto& v : out) n += double(v.size());
    return n;
  }
  void check(auto require) const {
    require(out.count == x.count, ErrorCode::kArgument, "x must be as many as out",
            double(x.count));
    require(limits.dtype == Dtype::kF64, ErrorCode::kDtype, "limits must be f64", limits);
    require(limits.size() == 1 || limits.size() == x.count, ErrorCode::kShape,
            "limits must have one element a tensor, or one", limits);
    for (int64_t i = 0; i < out.count; ++i) {
      require(is_floating(x[i]), ErrorCode::kDtype, "x must be floating", x[i]);
      require(out[i].dtype == x[i].dtype, ErrorCode::kDtype, "out must have x's dtype", out[i]);
      require(same_shape(out[i], x[i]), ErrorCode::kShape, "out must have x's shape", out[i], "x",
              x[i]);
    }
  }
};

}  // namespace orthokit
