#pragma once
#include "core/op.h"
#include "ops/shared/arithmetic.h"

namespace orthokit {

enum class NormResult : int32_t { kNorm, kInverse };
inline Words words(NormResult) {
  static constexpr const char* list[] = {"norm", "inverse"};
  return list;
}

struct Norms {
  static constexpr const char *name = "norms", *summary = "2-norm of each tensor, on the device";
  static constexpr const char* about = R"(
  outₚ = ‖xₚ‖₂, or 1 / (scale · ‖xₚ‖₂ + eps): a coefficient that never leaves the device. A tensor
  of rank 3 counts as one.
  Numerics: squares and sums in f64, in a fixed order: right for f32 of any size, and for f64 of
  any whose norm is a number of f64. The inverse of an exact 0 is 0; but for f64 tensors it is held
  at the largest f32.
  Traffic: one read of x; on the CPU a second one of f64 whose squares leave the range of f64.
  )";
  static constexpr const char* examples[] = {
      "x=f32[597x43],f32[1],f32[200000],f32[0] out=f64[4]",
      "x=f64[4097] out=f64[1] result=inverse eps=1e-7", "x=f64[300],f64[0] out=f64[2]",
      "x=bf16[4097],f16[31] out=f64[2] scale=2 result=inverse"};
  static constexpr const char* cases[] = {"x=f32[8192x1024] out=f64[1]",
                                          "x=f32[64x1024] out=f64[1]"};
  List<View> x;
  View out;
  double eps = 0, scale = 1;
  NormResult result = NormResult::kNorm;

  double flops() const {
    double n = 0;
    for (auto& v : x) n += 2 * wide_flops(v) * double(v.size());
    return n;
  }
  void fields(Fields& f) {
    f.in("x", x), f.out("out", out);
    f.value("eps", eps), f.value("scale", scale), f.value("result", result);
  }
  void check(auto require) const {
    require(out.dtype == Dtype::kF64, ErrorCode::kDtype, "out must be f64", out);
    require(out.size() == x.count, ErrorCode::kShape, "out must have one element a tensor", out);
    for (auto& v : x) require(is_floating(v), ErrorCode::kDtype, "x must be floating", v);
    require(eps >= 0, ErrorCode::kArgument, "eps must not be negative", eps);
    require(scale > 0, ErrorCode::kArgument, "scale must be positive", scale);
  }
};

}  // namespace orthokit
