#pragma once
#include "core/op.h"

namespace orthokit {

struct Cast {
  static constexpr const char *name = "cast", *summary = "out = x in out's dtype";
  static constexpr const char* about = R"(
  out = x in another dtype, for each tensor of the list.
  Numerics: to floating types rounded once to nearest, ties to even; to integers cut toward zero,
  held in range, NaN as 0.
  Traffic: one read, one write.
  )";
  static constexpr const char* examples[] = {
      "out=bf16[597x43],f16[31],f64[1] x=f32[597x43],f32[31],f32[1]",
      "out=i32[33],u8[31],f32[29] x=f64[33],f16[31],bf16[29]",
      "out=f16[4097],bf16[4097],u8[4097],i32[4097] x=f64[4097],f64[4097],f32[4097],f64[4097]",
      "out=f64[31],f64[31],f32[31],bf16[31] x=i32[31],u8[31],i32[31],i32[31]"};
  static constexpr const char* cases[] = {"out=bf16[8192x1024] x=f32[8192x1024]",
                                          "out=f32[8192x1024] x=f16[8192x1024]",
                                          "out=bf16[64x1024] x=f32[64x1024]"};
  List<View> out, x;

  void fields(Fields& f) { f.out("out", out), f.in("x", x); }
  void check(auto require) const {
    require(out.count == x.count, ErrorCode::kArgument, "x must be as many as out",
            double(x.count));
    for (int64_t i = 0; i < out.count; ++i)
      require(same_shape(out[i], x[i]), ErrorCode::kShape, "x must have out's shape", x[i], "out",
              out[i]);
  }
};

}  // namespace orthokit
