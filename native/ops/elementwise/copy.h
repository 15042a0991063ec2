#pragma once
#include "core/op.h"

namespace orthokit {

struct Copy {
  static constexpr const char *name = "copy", *summary = "out = x";
  static constexpr const char* about = R"(
  out = x, for each tensor of the list, of any dtype. Traffic: one read, one write.
  )";
  static constexpr const char* examples[] = {
      "out=f32[597x43],f32[1],f32[0] x=f32[597x43],f32[1],f32[0]",
      "out=i32[33],u8[31] x=i32[33],u8[31]"};
  static constexpr const char* cases[] = {"out=f32[8192x1024] x=f32[8192x1024]",
                                          "out=f32[64x1024] x=f32[64x1024]"};
  List<View> out, x;

  void fields(Fields& f) { f.out("out", out), f.in("x", x); }
  void check(auto require) const {
    require(out.count == x.count, ErrorCode::kArgument, "x must be as many as out",
            double(x.count));
    for (int64_t i = 0; i < out.count; ++i) {
      require(out[i].dtype == x[i].dtype, ErrorCode::kDtype,
              "x must have out's dtype (cast converts)", x[i]);
      require(same_shape(out[i], x[i]), ErrorCode::kShape, "x must have out's shape", x[i], "out",
              out[i]);
    }
  }
};

}  // namespace orthokit
