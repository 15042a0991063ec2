#pragma once
#include "ops/network/shared/conv2d.h"

namespace orthokit {

struct Conv2dBackwardKernel {
  static constexpr const char *name = "conv2d_backward_kernel",
                              *summary = "gradient of conv2d: of its kernels";
  static constexpr const char* about = R"(
  The gradient of conv2d's kernels from that of its result, with the same images, stride, padding,
  dilation and groups:
    gradKernel[o, u, v, c] = Σ of grad[n, i, j, o] · x[n, h, w, c'] over all products of conv2d that
      kernel[o, u, v, c] is in, + beta · gradKernel[o, u, v, c].
  gradKernel [samples, O, height, width, C / groups] gets a gradient for each of so many equal parts
  of the images, in order, each with the bits of that part alone. That of the bias is columnSum's.
  Numerics: products and sums in f32, f64 where grad is, rounded once to grad's dtype; a sum is made
  of those of some pixels each, in a fixed order; on the CPU kernels of 3 × 3 at stride 1 as conv2d
  multiplies them. beta = 0 does not read gradKernel. NaN and infinities of x go where they are
  multiplied, to no other place; those of grad too on the CPU, whereas CUDA may multiply them by the
  zeros beyond the edges of x.
  Traffic: one read of grad and x, one write of gradKernel; a few rows of an image are copied at a
  time.
  )";
  static constexpr const char* examples[] = {
      "grad=f32[3x9x7x10] x=f32[3x9x7x9] gradKernel=f32[10x3x3x9] padding=1",
      "grad=f32[2x4x5x20] x=f32[2x8x11x17] gradKernel=f32[20x3x5x17] stride=2 padding=1 beta=1",
      "grad=f32[3x5x1x13] x=f32[3x5x1x5] gradKernel=f32[13x3x3x5] padding=1",
      "grad=f32[2x8x7x33] x=f32[2x10x9x32] gradKernel=f32[33x3x3x32]",
      "grad=f32[1x5x9x6] x=f32[1x9x9x4] gradKernel=f32[6x3x2x2] padding=0,1 dilation=2 groups=2",
      "grad=f32[3x28x28x8] x=f32[3x28x28x1] gradKernel=f32[8x3x3x1] padding=1",
      "grad=f32[4x6x5x17] x=f32[4x6x5x16] gradKernel=f32[2x17x3x3x16] padding=1",
      "grad=f64[4x6x5x70] x=f64[4x6x5x9] gradKernel=f64[4x70x1x1x9] beta=-0.5",
      "grad=f64[1x3x2x8] x=f64[1x10x8x16] gradKernel=f64[8x3x3x16] stride=3,2 dilation=1,2",
      "grad=f32[2x9x8x19] x=f32[2x9x8x19] gradKernel=f32[19x3x3x1] padding=1 groups=19",
      "grad=bf16[2x9x8x24] x=bf16[2x9x8x17] gradKernel=bf16[24x3x3x17] padding=1",
      "grad=f16[2x8x8x16] x=f16[2x8x8x16] gradKernel=f16[16x3x3x16] padding=1 beta=1",
      "grad=f32[0x4x4x3] x=f32[0x5x5x2] gradKernel=f32[3x2x2x2]"};
  static constexpr const char* cases[] = {
      "grad=f32[32x28x28x64] x=f32[32x28x28x64] gradKernel=f32[64x3x3x64] padding=1",
      "grad=f32[8x14x14x256] x=f32[8x14x14x256] gradKernel=f32[256x3x3x256] padding=1",
      "grad=f32[32x7x7x256] x=f32[32x7x7x256] gradKernel=f32[256x1x1x256]",
      "grad=f32[16x32x32x64] x=f32[16x64x64x3] gradKernel=f32[64x7x7x3] stride=2 padding=3",
      "grad=f32[128x28x28x32] x=f32[128x28x28x1] gradKernel=f32[32x3x3x1] padding=1",
      "grad=f32[16x56x56x64] x=f32[16x56x56x64] gradKernel=f32[64x3x3x1] padding=1 groups=64",
      "grad=bf16[32x28x28x64] x=bf16[32x28x28x64] gradKernel=bf16[64x3x3x64] padding=1"};
  View grad, x, grad_kernel;
  Conv2dMoves moves;
  double beta = 0;

  Conv2dSizes sizes() const { return {moves, x, grad_kernel, grad}; }
  int64_t samples() const { return grad_kernel.rank == 5 ? grad_kernel.shape[0] : 1; }
  void fields(Fields& f) {
    f.in("grad", grad), f.in("x", x), f.inout("gradKernel", grad_kernel);
    moves.fields(f), f.value("beta", beta);
  }
  double flops() const { return sizes().flops(); }
  double bytes() const {
    return double(bytes_in(grad) + bytes_in(x) + (beta == 0 ? 1 : 2) * bytes_in(grad_kernel));
  }
  void check(auto require) const {
    require(is_floating(grad), ErrorCode::kDtype, "grad must be floating", grad);
    require(x.dtype == grad.dtype, ErrorCode::kDtype, "x must have grad's dtype", x);
    require(grad_kernel.dtype == grad.dtype, ErrorCode::kDtype, "gradKernel must have grad's dtype",
            grad_kernel);
    require(is_image(x), ErrorCode::kShape, "x must be images [N, H, W, C]", x);
    require((grad_kernel.rank == 4 || grad_kernel.rank == 5) && grad_kernel.size() > 0,
            ErrorCode::kShape,
            "gradKernel must be [O, height, width, C / groups], or so many for each sample",
            grad_kernel);
    moves.check(require);
    require(grad_kernel.shape[grad_kernel.rank - 1] * moves.groups == x.shape[3], ErrorCode::kShape,
            "gradKernel must have x's channels / groups", grad_kernel, "x", x);
    require(grad_kernel.shape[grad_kernel.rank - 4] % moves.groups == 0, ErrorCode::kShape,
            "gradKernel must be equally many for each of the groups", grad_kernel);
    require(x.shape[0] % samples() == 0, ErrorCode::kShape,
            "gradKernel must have samples of equally many images", grad_kernel, "x", x);
    require(kernel_fits(moves, x, grad_kernel), ErrorCode::kShape,
            "gradKernel must fit into x and its padding", grad_kernel, "x", x);
    require(is_result_of(moves, x, grad_kernel, grad), ErrorCode::kShape,
            "grad must be [N, rows, columns, O] of the places where gradKernel fits", grad, "x", x,
            "gradKernel", grad_kernel);
  }
};

}  // namespace orthokit
