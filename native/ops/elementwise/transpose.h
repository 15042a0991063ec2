#pragma once
#include "core/op.h"

namespace orthokit {

struct Transposition {
  static constexpr const char *name = "transpose", *summary = "out = x with rows as columns";
  static constexpr const char* about = R"(
  outⱼᵢ = xᵢⱼ, of a matrix or of each matrix of a batch (rank 3), of any dtype. Bits are copied.
  Traffic: one read, one write, in square tiles that fit the cache on both sides.
  )";
  static constexpr const char* examples[] = {
      "x=f32[597x43] out=f32[43x597]", "x=f64[3x33x31] out=f64[3x31x33]",
      "x=bf16[1x4097] out=bf16[4097x1]", "x=u8[597x31] out=u8[31x597]"};
  static constexpr const char* cases[] = {
      "x=f32[4096x4096] out=f32[4096x4096]", "x=bf16[4096x4096] out=bf16[4096x4096]",
      "x=f32[64x512x512] out=f32[64x512x512]", "x=f32[256x256] out=f32[256x256]"};
  View x, out;

  void fields(Fields& f) { f.in("x", x), f.out("out", out); }
  void check(auto require) const {
    require(x.rank == 2 || x.rank == 3, ErrorCode::kShape,
            "x must be a matrix or a batch of matrices", x);
    require(out.dtype == x.dtype, ErrorCode::kDtype, "out must have x's dtype", out);
    View turned = x;
    turned.shape[x.rank - 2] = x.shape[x.rank - 1], turned.shape[x.rank - 1] = x.shape[x.rank - 2];
    require(same_shape(out, turned), ErrorCode::kShape, "out must have x's shape, turned", out, "x",
            x);
  }
};

}  // namespace orthokit
