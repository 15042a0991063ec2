#pragma once
#include "ops/network/shared/conv2d.h"

namespace orthokit {

struct Conv2d {
  static constexpr const char *name = "conv2d",
                              *summary = "convolution of images with kernels, and a bias";
  static constexpr const char* about = R"(
  The kernels [O, height, width, C / groups] over the images x [N, H, W, C], channels last:
    out[n, i, j, o] = bias[o] + Σ over u, v, c of kernel[o, u, v, c] · x[n, i · stride + u ·
      dilation − padding, j · stride + v · dilation − padding, ⌊o / (O / groups)⌋ · C / groups + c],
  where x is 0 beyond its edges: a cross-correlation, as networks have it. out [N, rows, columns, O]
  has ⌊(H + 2 padding − dilation (height − 1) − 1) / stride⌋ + 1 rows, and columns likewise. stride,
  padding and dilation are lists of one number, or of one for the height and one for the width;
  empty: 1, 0 and 1.
  Numerics: products and sums in f32, f64 where x is, rounded once to x's dtype; on the CPU kernels
  of 3 × 3 at stride 1 by Winograd's F(2 × 2, 3 × 3) (Lavin and Gray 2016), whose rounding is
  relative to the products of all pixels under a kernel with all its elements, channel by channel.
  NaN and infinities of x go where they are multiplied, to no other place; those of kernel too on
  the CPU, whereas CUDA may multiply them by the zeros beyond the edges.
  Traffic: one read of x and kernel, one write of out; a few rows of an image with its padding are
  copied at a time.
  )";
  static constexpr const char* examples[] = {
      "x=f32[3x9x7x5] kernel=f32[3x3x3x5] bias=f32[3] out=f32[3x9x7x3] padding=1",
      "x=f32[2x8x11x17] kernel=f32[20x3x5x17] out=f32[2x4x5x20] stride=2 padding=1",
      "x=f32[2x10x9x32] kernel=f32[33x3x3x32] bias=f32[33] out=f32[2x8x7x33]",
      "x=f32[1x9x9x4] kernel=f32[6x3x2x2] out=f32[1x5x9x6] padding=0,1 dilation=2 groups=2",
      "x=f64[2x6x5x3] kernel=f64[70x1x1x3] out=f64[2x6x5x70]",
      "x=f64[1x7x7x16] kernel=f64[8x3x3x16] bias=f64[8] out=f64[1x3x3x8] stride=2",
      "x=f32[2x9x8x19] kernel=f32[19x3x3x1] out=f32[2x9x8x19] padding=1 groups=19",
      "x=bf16[2x9x8x17] kernel=bf16[24x3x3x17] bias=bf16[24] out=bf16[2x9x8x24] padding=1",
      "x=f16[1x8x8x16] kernel=f16[16x3x3x16] out=f16[1x8x8x16] padding=1",
      "x=f32[0x5x5x2] kernel=f32[3x2x2x2] out=f32[0x4x4x3]"};
  static constexpr const char* cases[] = {
      "x=f32[32x28x28x64] kernel=f32[64x3x3x64] out=f32[32x28x28x64] padding=1",
      "x=f32[8x14x14x256] kernel=f32[256x3x3x256] out=f32[8x14x14x256] padding=1",
      "x=f32[32x7x7x256] kernel=f32[256x1x1x256] out=f32[32x7x7x256]",
      "x=f32[16x64x64x3] kernel=f32[64x7x7x3] out=f32[16x32x32x64] stride=2 padding=3",
      "x=f32[128x28x28x1] kernel=f32[32x3x3x1] out=f32[128x28x28x32] padding=1",
      "x=f32[16x56x56x64] kernel=f32[64x3x3x1] out=f32[16x56x56x64] padding=1 groups=64",
      "x=bf16[32x28x28x64] kernel=bf16[64x3x3x64] out=bf16[32x28x28x64] padding=1"};
  View x, kernel, bias, out;
  Conv2dMoves moves;

  Conv2dSizes sizes() const { return {moves, x, kernel, out}; }
  void fields(Fields& f) {
    f.in("x", x), f.in("kernel", kernel), f.in("bias", bias, kOptional), f.out("out", out);
    moves.fields(f);
  }
  double flops() const { return sizes().flops() + (bias ? double(out.size()) : 0); }
  void check(auto require) const {
    require(is_floating(x), ErrorCode::kDtype, "x must be floating", x);
    require(kernel.dtype == x.dtype, ErrorCode::kDtype, "kernel must have x's dtype", kernel);
    require(out.dtype == x.dtype, ErrorCode::kDtype, "out must have x's dtype", out);
    require(is_image(x), ErrorCode::kShape, "x must be images [N, H, W, C]", x);
    require(kernel.rank == 4 && kernel.size() > 0, ErrorCode::kShape,
            "kernel must be [O, height, width, C / groups]", kernel);
    moves.check(require);
    require(kernel.shape[3] * moves.groups == x.shape[3], ErrorCode::kShape,
            "kernel must have x's channels / groups", kernel, "x", x);
    require(kernel.shape[0] % moves.groups == 0, ErrorCode::kShape,
            "kernel must be equally many for each of the groups", kernel);
    require(kernel_fits(moves, x, kernel), ErrorCode::kShape,
            "kernel must fit into x and its padding", kernel, "x", x);
    require(is_result_of(moves, x, kernel, out), ErrorCode::kShape,
            "out must be [N, rows, columns, O] of the places where kernel fits", out, "x", x,
            "kernel", kernel);
    if (!bias) return;
    require(bias.dtype == x.dtype, ErrorCode::kDtype, "bias must have x's dtype", bias);
    require(bias.rank == 1 && bias.shape[0] == kernel.shape[0], ErrorCode::kShape,
            "bias must have one element a kernel", bias, "kernel", kernel);
  }
};

}  // namespace orthokit
