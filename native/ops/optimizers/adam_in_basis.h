#pragma once
#include "ops/optimizers/shared/slices.h"
#include "ops/optimizers/shared/step.h"
#include "ops/shared/arithmetic.h"

namespace orthokit {

struct AdamInBasis {
  static constexpr const char *name = "adam_in_basis",
                              *summary = "Adam's update of a momentum and a gradient in a basis";
  static constexpr const char* about = R"(
  The update of Adam in coordinates of an orthonormal basis, of a batch of matrices:
    t ← t + 1,  r ← sqrt(β₂ r² + (1−β₂) g²),  out = sqrt(1−β₂ᵗ) / (1−β₁ᵗ) · m / (r + eps)
  m and g are momentum and gradient in that basis. `norms` holds ‖g‖ of each row of g, or of each
  column with axis 'columns'; an element of g that is at most `least` times that norm counts as 0, which
  is what rounding leaves of a gradient that has nothing of a basis vector. Where r is 0 out is 0, so
  that nothing moves along a vector of which there was never a gradient. A guard that is not 0 leaves
  roots and steps, and gives zeros.
  Numerics: in out's dtype; the sum under the root is scaled by a power of two, as in adamw.
  Traffic per element, f32: read m, g, r, write r, out: 20 bytes.
  )";
  static constexpr const char* examples[] = {
      "momentum=f32[3x33x17] grad=f32[3x33x17] norms=f64[3x33] roots=f32[3x33x17] steps=i32[1] "
      "out=f32[3x33x17] least=0.25",
      "momentum=f64[1x31x64] grad=f64[1x31x64] norms=f64[1x64] roots=f64[31x64] steps=i32[1] "
      "out=f64[1x31x64] axis=columns least=0.25",
      "momentum=f32[2x5x64] grad=f32[2x5x64] norms=f64[2x64] roots=bf16[2x5x64] steps=i32[1] "
      "out=f32[2x5x64] guard=f64[1] axis=columns eps=0",
      "momentum=f32[1x5x7] grad=f32[1x5x7] norms=f64[1x5] roots=f16[5x7] steps=i32[1] "
      "out=f32[1x5x7] beta1=0.5 beta2=0.75 eps=0.5"};
  static constexpr const char* cases[] = {
      "momentum=f32[1x4096x1024] grad=f32[1x4096x1024] norms=f64[1x4096] roots=f32[4096x1024] "
      "steps=i32[1] out=f32[1x4096x1024] least=1e-6"};
  View momentum, grad, norms, guard, roots, steps, out;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, least = 0;
  SliceAxis axis = SliceAxis::kRows;

  // Rows or columns of each matrix, which have a norm.
  int64_t lines() const { return out.shape[axis == SliceAxis::kRows ? 1 : 2]; }
  double flops() const { return double(out.size()) * (6 + kRootFlops + kQuotientFlops); }
  void fields(Fields& f) {
    f.in("momentum", momentum), f.in("grad", grad), f.in("norms", norms);
    f.in("guard", guard, kOptional), f.inout("roots", roots), f.inout("steps", steps);
    f.out("out", out);
    f.value("beta1", beta1), f.value("beta2", beta2), f.value("eps", eps), f.value("least", least);
    f.value("axis", axis);
  }
  void check(auto require) const {
    require(out.rank == 3, ErrorCode::kShape, "out must be a batch of matrices", out);
    require(is_f32_or_f64(out), ErrorCode::kDtype, "out must be f32 or f64", out);
    for (auto& v : {momentum, grad}) {
      require(v.dtype == out.dtype, ErrorCode::kDtype, "momentum and grad must have out's dtype",
              v);
      require(same_shape(v, out), ErrorCode::kShape, "momentum and grad must have out's shape", v,
              "out", out);
    }
    require(norms.dtype == Dtype::kF64, ErrorCode::kDtype, "norms must be f64", norms);
    require(norms.rank == 2 && norms.shape[0] == out.shape[0] && norms.shape[1] == lines(),
            ErrorCode::kShape, "norms must have one element a row of out, or a column", norms,
            "out", out);
    require(is_floating(roots), ErrorCode::kDtype, "roots must be floating", roots);
    require(roots.size() == out.size(), ErrorCode::kShape, "roots must have out's elements", roots,
            "out", out);
    require.array("steps must be i32[1]", steps, Dtype::kI32, 1);
    if (guard) require.array("guard must be f64[1]", guard, Dtype::kF64, 1);
    check_fraction(require, "beta1 must be in [0, 1)", beta1);
    check_fraction(require, "beta2 must be in [0, 1)", beta2);
    require(eps >= 0, ErrorCode::kArgument, "eps must not be negative", eps);
    require(least >= 0 && least < 1, ErrorCode::kArgument, "least must be in [0, 1)", least);
  }
};

}  // namespace orthokit
