#pragma once
#include "ops/network/shared/conv2d.h"

namespace orthokit {

struct Conv2dBackwardInput {
  static constexpr const char *name = "conv2d_backward_input",
                              *summary = "gradient of conv2d: of its images";
  static constexpr const char* about = R"(
  The gradient of conv2d's images from that of its result, with the same kernel, stride, padding,
  dilation and groups:
    gradX[n, h, w, c] = Σ of grad[n, i, j, o] · kernel[o, u, v, c'] over all products of conv2d that
      x[n, h, w, c] is in, + beta · gradX[n, h, w, c].
  Numerics: products and sums in f32, f64 where grad is, rounded once to grad's dtype; on the CPU
  kernels of 3 × 3 at stride 1 as conv2d multiplies them. beta = 0 does not read gradX. NaN and
  infinities of grad go where they are multiplied, to no other place; those of kernel too on the
  CPU, whereas CUDA may multiply them by zeros beyond the edges of grad.
  Traffic: one read of grad and kernel, one write of gradX; a few rows of an image of grad are
  copied at a time.
  )";
  static constexpr const char* examples[] = {
      "grad=f32[3x9x7x10] kernel=f32[10x3x3x9] gradX=f32[3x9x7x9] padding=1",
      "grad=f32[2x4x5x20] kernel=f32[20x3x5x17] gradX=f32[2x8x11x17] stride=2 padding=1 beta=1",
      "grad=f32[2x8x7x33] kernel=f32[33x3x3x32] gradX=f32[2x10x9x32]",
      "grad=f32[1x5x9x6] kernel=f32[6x3x2x2] gradX=f32[1x9x9x4] padding=0,1 dilation=2 groups=2",
      "grad=f32[2x4x5x8] kernel=f32[8x7x3x3] gradX=f32[2x9x10x3] stride=2 padding=2,1 beta=1",
      "grad=f64[2x6x5x70] kernel=f64[70x1x1x9] gradX=f64[2x6x5x9] beta=-0.5",
      "grad=f64[1x3x2x8] kernel=f64[8x3x3x16] gradX=f64[1x10x8x16] stride=3,2 dilation=1,2",
      "grad=f32[2x9x8x19] kernel=f32[19x3x3x1] gradX=f32[2x9x8x19] padding=1 groups=19",
      "grad=bf16[2x9x8x24] kernel=bf16[24x3x3x17] gradX=bf16[2x9x8x17] padding=1",
      "grad=f16[1x8x8x16] kernel=f16[16x3x3x16] gradX=f16[1x8x8x16] padding=1 beta=1",
      "grad=f32[0x4x4x3] kernel=f32[3x2x2x2] gradX=f32[0x5x5x2]"};
  static constexpr const char* cases[] = {
      "grad=f32[32x28x28x64] kernel=f32[64x3x3x64] gradX=f32[32x28x28x64] padding=1",
      "grad=f32[8x14x14x256] kernel=f32[256x3x3x256] gradX=f32[8x14x14x256] padding=1",
      "grad=f32[32x7x7x256] kernel=f32[256x1x1x256] gradX=f32[32x7x7x256]",
      "grad=f32[16x32x32x64] kernel=f32[64x7x7x3] gradX=f32[16x64x64x3] stride=2 padding=3",
      "grad=f32[128x28x28x32] kernel=f32[32x3x3x1] gradX=f32[128x28x28x1] padding=1",
      "grad=f32[16x56x56x64] kernel=f32[64x3x3x1] gradX=f32[16x56x56x64] padding=1 groups=64",
      "grad=bf16[32x28x28x64] kernel=bf16[64x3x3x64] gradX=bf16[32x28x28x64] padding=1"};
  View grad, kernel, grad_x;
  Conv2dMoves moves;
  double beta = 0;

  Conv2dSizes sizes() const { return {moves, grad_x, kernel, grad}; }
  void fields(Fields& f) {
    f.in("grad", grad), f.in("kernel", kernel), f.inout("gradX", grad_x);
    moves.fields(f), f.value("beta", beta);
  }
  double flops() const { return sizes().flops(); }
  double bytes() const {
    return double(bytes_in(grad) + bytes_in(kernel) + (beta == 0 ? 1 : 2) * bytes_in(grad_x));
  }
  void check(auto require) const {
    require(is_floating(grad), ErrorCode::kDtype, "grad must be floating", grad);
    require(kernel.dtype == grad.dtype, ErrorCode::kDtype, "kernel must have grad's dtype", kernel);
    require(grad_x.dtype == grad.dtype, ErrorCode::kDtype, "gradX must have grad's dtype", grad_x);
    require(is_image(grad_x), ErrorCode::kShape, "gradX must be images [N, H, W, C]", grad_x);
    require(kernel.rank == 4 && kernel.size() > 0, ErrorCode::kShape,
            "kernel must be [O, height, width, C / groups]", kernel);
    moves.check(require);
    require(kernel.shape[3] * moves.groups == grad_x.shape[3], ErrorCode::kShape,
            "kernel must have gradX's channels / groups", kernel, "gradX", grad_x);
    require(kernel.shape[0] % moves.groups == 0, ErrorCode::kShape,
            "kernel must be equally many for each of the groups", kernel);
    require(kernel_fits(moves, grad_x, kernel), ErrorCode::kShape,
            "kernel must fit into gradX and its padding", kernel, "gradX", grad_x);
    require(is_result_of(moves, grad_x, kernel, grad), ErrorCode::kShape,
            "grad must be [N, rows, columns, O] of the places where kernel fits", grad, "gradX",
            grad_x, "kernel", kernel);
  }
};

}  // namespace orthokit
