#pragma once
#include "core/op.h"

namespace orthokit {

// outₚ = xₚ / yₚ, element by element, for each tensor p of the list. An output may be x or y.
// Numerics: one quotient in the tensors' dtype; x / 0 is infinite, 0 / 0 and inf / inf are NaN.
// Traffic: two reads, one write.
struct Divide {
  static constexpr const char *name = "divide", *summary = "out = x / y, element by element";
  static constexpr const char* examples[] = {
      "out=f32[597x43],f32[31] x=f32[597x43],f32[31] y=f32[597x43],f32[31]",
      "out=f64[4097],f64[0] x=f64[4097],f64[0] y=f64[4097],f64[0]"};
  static constexpr const char* cases[] = {"out=f32[8192x1024] x=f32[8192x1024] y=f32[8192x1024]"};
  List<View> out, x, y;

  void fields(Fields& f) { f.out("out", out, kMayAlias), f.in("x", x), f.in("y", y); }
  double flops() const {
    double n = 0;
    for (auto& v : out) n += double(v.size());
    return n;
  }
  void check() const {
    require(x.count == out.count, ErrorCode::kArgument, "x must be as many as out",
            double(x.count));
    require(y.count == out.count, ErrorCode::kArgument, "y must be as many as out",
            double(y.count));
    for (int64_t i = 0; i < out.count; ++i) {
      require(is_f32_or_f64(out[i]), ErrorCode::kDtype, "out must be f32 or f64", out[i]);
      require(x[i].dtype == out[i].dtype, ErrorCode::kDtype, "x must have out's dtype", x[i]);
      require(y[i].dtype == out[i].dtype, ErrorCode::kDtype, "y must have out's dtype", y[i]);
      require(same_shape(x[i], out[i]), ErrorCode::kShape, "x must have out's shape", x[i]);
      require(same_shape(y[i], out[i]), ErrorCode::kShape, "y must have out's shape", y[i]);
    }
  }
};

}  // namespace orthokit
