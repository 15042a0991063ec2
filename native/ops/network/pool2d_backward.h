#pragma once
#include "ops/network/shared/pool.h"

namespace orthokit {

struct Pool2dBackward {
  static constexpr const char *name = "pool2d_backward",
                              *summary = "gradient of pool2d: of its images";
  static constexpr const char* about = R"(
  The gradient of pool2d from that of its output, with the same size, stride and kind: each gradient
  goes to the place of the largest element, which pool2d has told (`places`), or in equal shares to
  all elements of its window:
    gradX[n, y, x, c] = Σ over the windows of it grad[n, i, j, c] · share + beta · gradX[n, y, x, c],
  where share is 1 at the place and 0 elsewhere, or 1 / size². A beta of 0 does not read.
  Numerics: sums in f32, f64 where grad is, in the order of the windows; NaN and infinities go where
  they belong, into no other element.
  Traffic: one read of grad and places, one write of gradX.
  )";
  static constexpr const char* examples[] = {
      "grad=f32[3x4x3x5] places=u8[3x4x3x5] gradX=f32[3x9x7x5] size=2",
      "grad=f32[2x3x5x33] places=u8[2x3x5x33] gradX=f32[2x8x11x33] size=3 stride=2 beta=1",
      "grad=f64[1x5x6x17] places=u8[1x5x6x17] gradX=f64[1x7x8x17] size=3 stride=1",
      "grad=f32[2x1x2x3] places=i32[2x1x2x3] gradX=f32[2x17x18x3] size=17 stride=1",
      "grad=f16[2x2x2x19] places=u8[2x2x2x19] gradX=f16[2x5x5x19] size=2 beta=1",
      "grad=bf16[1x4x5x20] places=u8[1x4x5x20] gradX=bf16[1x6x7x20] size=3 stride=1",
      "grad=f32[3x4x3x5] gradX=f32[3x9x7x5] size=2 kind=average",
      "grad=f32[2x3x5x33] gradX=f32[2x8x11x33] size=3 stride=2 kind=average beta=-0.5",
      "grad=f64[1x2x3x17] gradX=f64[1x7x8x17] size=2 stride=3 kind=average",
      "grad=f16[2x1x1x19] gradX=f16[2x5x5x19] size=5 kind=average",
      "grad=bf16[1x4x5x20] gradX=bf16[1x6x7x20] size=3 stride=1 kind=average beta=1"};
  static constexpr const char* cases[] = {
      "grad=f32[128x14x14x32] places=u8[128x14x14x32] gradX=f32[128x28x28x32] size=2",
      "grad=f32[128x14x14x32] gradX=f32[128x28x28x32] size=2 kind=average",
      "grad=f32[32x13x13x64] places=u8[32x13x13x64] gradX=f32[32x28x28x64] size=3 stride=2",
      "grad=f32[32x1x1x512] gradX=f32[32x7x7x512] size=7 kind=average"};
  View grad, places, grad_x;
  int64_t size = 0, stride = 0;
  PoolKind kind = PoolKind::kMax;
  double beta = 0;

  PoolWindows windows() const { return {size, stride}; }
  void fields(Fields& f) {
    f.in("grad", grad), f.in("places", places, kOptional), f.inout("gradX", grad_x);
    f.value("size", size), f.value("stride", stride), f.value("kind", kind);
    f.value("beta", beta);
  }
  double flops() const { return double(grad.size()) * double(size) * double(size); }
  double bytes() const {
    return double(bytes_in(grad) + bytes_in(places) + (beta == 0 ? 1 : 2) * bytes_in(grad_x));
  }
  void check(auto require) const {
    require(is_floating(grad), ErrorCode::kDtype, "grad must be floating", grad);
    require(grad_x.dtype == grad.dtype, ErrorCode::kDtype, "gradX must have grad's dtype", grad_x);
    require(grad_x.rank == 4, ErrorCode::kShape, "gradX must be images [N, H, W, C]", grad_x);
    PoolWindows::check(require, size, stride);
    require(windows().fit(grad_x), ErrorCode::kShape,
            "gradX must have at least size rows and columns", grad_x);
    require(windows().give(grad, grad_x), ErrorCode::kShape,
            "grad must be [N, rows, columns, C] of the windows", grad, "gradX", grad_x);
    if (kind == PoolKind::kMax)
      require(bool(places), ErrorCode::kArgument, "places is missing for kind max");
    else
      require(!places, ErrorCode::kArgument, "places must come with kind max", places);
    if (!places) return;
    require(places.dtype == windows().place_dtype(), ErrorCode::kDtype,
            "places must be u8, i32 for sizes above 16", places);
    require(same_shape(places, grad), ErrorCode::kShape, "places must have grad's shape", places,
            "grad", grad);
  }
};

}  // namespace orthokit
