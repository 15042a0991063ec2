#pragma once
#include <algorithm>
#include <cmath>

#include "core/op.h"

namespace orthokit {

struct ConvOrthLoss {
  static constexpr const char *name = "conv_orth_loss",
                              *summary = "how far a convolution is from orthogonal, and gradient";
  static constexpr const char* about = R"(
  L_orth (Wang, Chen, Chakraborty and Yu 2020) of kernels [M, k, k, C] that move by `stride` S:
    R[m, l, u, v] = Σ over a, b, c of kernel[m, a + u S, b + v S, c] · kernel[l, a, b, c]
  for all u and v from −⌊(k − 1) / S⌋ to ⌊(k − 1) / S⌋, kernels being 0 beyond their edges;
    L = |R − I|², I the identity at u = v = 0, less M − C S² where M > C S²,
    loss = weight · L, gradKernel = weight · ∇L + beta · gradKernel.
  For circular images of side N ≥ 2 k − 1 that S divides, (N / S)² L is exactly |A Aᵀ − I|², A the
  matrix of the convolution, or |Aᵀ A − I|² where M > C S² (Achour, Malgouyres and Mamalet 2022).
  Numerics: R and the gradient in f32, in f64 where kernel is, squares and their sum in f64; so near
  an orthogonal kernel L is as small as rounding of R allows, and where M > C S², which is
  subtracted from a number of that size, it may end below 0. beta = 0 does not read gradKernel. A
  NaN or an infinity of kernel makes the loss NaN or infinite. Composed of other ops: runs on every
  backend. Half of R is computed, as R[m, l, u, v] = R[l, m, −u, −v], and no product with a zero.
  )";
  static constexpr const char* examples[] = {
      "kernel=f32[4x3x3x6] loss=f64[1] gradKernel=f32[4x3x3x6]",
      "kernel=f64[33x3x3x5] loss=f64[1] gradKernel=f64[33x3x3x5] stride=2 weight=0.5 beta=1",
      "kernel=f64[5x5x5x3] loss=f64[1] gradKernel=f64[5x5x5x3] stride=2",
      "kernel=f32[31x1x1x17] loss=f64[1] gradKernel=f32[31x1x1x17] weight=-2 beta=0.5",
      "kernel=f32[7x2x2x3] loss=f64[1] gradKernel=f32[7x2x2x3] stride=3",
      "kernel=bf16[9x3x3x4] loss=f64[1] gradKernel=bf16[9x3x3x4] beta=1",
      "kernel=f16[6x3x3x8] loss=f64[1] gradKernel=f16[6x3x3x8] stride=2",
      "kernel=f32[12x4x4x5] loss=f64[1]"};
  static constexpr const char* cases[] = {
      "kernel=f32[64x3x3x64] loss=f64[1] gradKernel=f32[64x3x3x64]",
      "kernel=f32[128x3x3x64] loss=f64[1] gradKernel=f32[128x3x3x64] stride=2",
      "kernel=f32[64x7x7x3] loss=f64[1] gradKernel=f32[64x7x7x3] stride=2",
      "kernel=f32[256x1x1x64] loss=f64[1] gradKernel=f32[256x1x1x64]"};
  View kernel, loss, grad_kernel;
  int64_t stride = 1;
  double weight = 1, beta = 0;

  int64_t outputs() const { return kernel.shape[0]; }
  int64_t size() const { return kernel.shape[1]; }
  int64_t channels() const { return kernel.shape[3]; }
  // Shifts to either side at which kernels still meet.
  int64_t shifts() const { return (size() - 1) / stride; }
  // Orthonormal columns can be had, not rows: |R − I|² is this much at least.
  double least() const {
    return std::max(0.0, double(outputs()) - double(channels()) * double(stride) * double(stride));
  }
  void fields(Fields& f) {
    f.in("kernel", kernel), f.out("loss", loss), f.inout("gradKernel", grad_kernel, kOptional);
    f.value("stride", stride), f.value("weight", weight), f.value("beta", beta);
  }
  // A sum and a product for each pair of elements that meet.
  double flops() const {
    double meetings = 0;
    for (int64_t u = -shifts(); u <= shifts(); ++u)
      meetings += double(size() - std::abs(u * stride));
    const double pairs = double(outputs()) * double(outputs()) * meetings * meetings;
    return (grad_kernel ? 3 : 1) * pairs * double(channels());
  }
  double bytes() const {
    return double(bytes_in(kernel) + bytes_in(loss) + (beta == 0 ? 1 : 2) * bytes_in(grad_kernel));
  }
  void check(auto require) const {
    require(is_floating(kernel), ErrorCode::kDtype, "kernel must be floating", kernel);
    require(kernel.rank == 4 && kernel.size() > 0, ErrorCode::kShape,
            "kernel must be [O, size, size, C] with elements", kernel);
    require(kernel.shape[1] == kernel.shape[2], ErrorCode::kShape,
            "kernel must be as wide as it is high", kernel);
    require.array("loss must be f64[1]", loss, Dtype::kF64, 1);
    require(stride >= 1, ErrorCode::kArgument, "stride must be positive", double(stride));
    require(std::isfinite(weight), ErrorCode::kArgument, "weight must be finite", weight);
    require(std::isfinite(beta), ErrorCode::kArgument, "beta must be finite", beta);
    if (!grad_kernel) return;
    require(grad_kernel.dtype == kernel.dtype, ErrorCode::kDtype,
            "gradKernel must have kernel's dtype", grad_kernel);
    require(same_shape(grad_kernel, kernel), ErrorCode::kShape,
            "gradKernel must have kernel's shape", grad_kernel, "kernel", kernel);
  }
};

}  // namespace orthokit
