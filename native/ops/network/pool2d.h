#pragma once
#include "ops/network/shared/pool.h"

namespace orthokit {

struct Pool2d {
  static constexpr const char *name = "pool2d",
                              *summary = "largest element or mean of every window of images";
  static constexpr const char* about = R"(
  Of images x [N, H, W, C], channels last: out[n, i, j, c] is the largest element, or the mean, of the
  size × size elements x[n, i · stride + u, j · stride + v, c]. A stride of 0 is the size. out has
  (H − size) / stride + 1 rows, rounded down, and columns likewise; what is left over counts nowhere.
    places   of max: u · size + v of the largest element, the first of equal ones, u8; i32 for sizes
             above 16. pool2d_backward takes them.
    follows  of max: a tensor like x; out has its elements at those places. So out is the derivative
             along it, where x has no equal elements.
  Numerics: max is exact, −0 and 0 are equal, and NaN larger than all, the last one of several; sums
  of a window in f32, f64 where x is, in its order, and one quotient.
  Traffic: one read of x, one write of out.
  )";
  static constexpr const char* examples[] = {
      "x=f32[3x9x7x5] out=f32[3x4x3x5] places=u8[3x4x3x5] size=2",
      "x=f32[2x8x11x33] out=f32[2x3x5x33] places=u8[2x3x5x33] size=3 stride=2",
      "x=f64[1x7x8x17] out=f64[1x5x6x17] places=u8[1x5x6x17] size=3 stride=1",
      "x=f32[2x17x18x3] out=f32[2x1x2x3] places=i32[2x1x2x3] size=17 stride=1",
      "x=f16[2x5x5x19] out=f16[2x2x2x19] places=u8[2x2x2x19] size=2",
      "x=bf16[1x6x7x20] out=bf16[1x2x2x20] size=3",
      "x=f32[2x6x8x21] follows=f32[2x6x8x21] out=f32[2x3x4x21] size=2",
      "x=f32[3x9x7x5] out=f32[3x4x3x5] size=2 kind=average",
      "x=f32[2x8x11x33] out=f32[2x3x5x33] size=3 stride=2 kind=average",
      "x=f64[1x7x8x17] out=f64[1x2x3x17] size=2 stride=3 kind=average",
      "x=f16[2x5x5x19] out=f16[2x1x1x19] size=5 kind=average",
      "x=bf16[1x6x7x20] out=bf16[1x2x2x20] size=3 kind=average"};
  static constexpr const char* cases[] = {
      "x=f32[128x28x28x32] out=f32[128x14x14x32] places=u8[128x14x14x32] size=2",
      "x=f32[128x28x28x32] out=f32[128x14x14x32] size=2 kind=average",
      "x=f32[32x28x28x64] out=f32[32x13x13x64] places=u8[32x13x13x64] size=3 stride=2",
      "x=f32[32x7x7x512] out=f32[32x1x1x512] size=7 kind=average"};
  View x, follows, out, places;
  int64_t size = 0, stride = 0;
  PoolKind kind = PoolKind::kMax;

  PoolWindows windows() const { return {size, stride}; }
  void fields(Fields& f) {
    f.in("x", x), f.in("follows", follows, kOptional), f.out("out", out);
    f.out("places", places, kOptional);
    f.value("size", size), f.value("stride", stride), f.value("kind", kind);
  }
  double flops() const { return double(out.size()) * double(size) * double(size); }
  void check(auto require) const {
    require(is_floating(x), ErrorCode::kDtype, "x must be floating", x);
    require(x.rank == 4, ErrorCode::kShape, "x must be images [N, H, W, C]", x);
    PoolWindows::check(require, size, stride);
    require(windows().fit(x), ErrorCode::kShape, "x must have at least size rows and columns", x);
    require(out.dtype == x.dtype, ErrorCode::kDtype, "out must have x's dtype", out);
    require(windows().give(out, x), ErrorCode::kShape,
            "out must be [N, rows, columns, C] of the windows", out, "x", x);
    if (follows) {
      require(kind == PoolKind::kMax, ErrorCode::kArgument, "follows must come with kind max",
              follows);
      require(follows.dtype == x.dtype, ErrorCode::kDtype, "follows must have x's dtype", follows);
      require(same_shape(follows, x), ErrorCode::kShape, "follows must have x's shape", follows,
              "x", x);
    }
    if (places) {
      require(kind == PoolKind::kMax, ErrorCode::kArgument, "places must come with kind max",
              places);
      require(places.dtype == windows().place_dtype(), ErrorCode::kDtype,
              "places must be u8, i32 for sizes above 16", places);
      require(same_shape(places, out), ErrorCode::kShape, "places must have out's shape", places,
              "out", out);
    }
  }
};

}  // namespace orthokit
