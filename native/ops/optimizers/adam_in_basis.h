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
  m and g are momentum and gradient in that basis. `norms` and `momentumNorms` hold the norms of their
  rows, or columns with axis 'columns', before they were projected, `sizes` the largest size in each
  basis vector. An element counts as 0 that is at most `least`, of m `leastOfMomentum`, times the norm
  of its row times the size of its vector: what rounding leaves of a row that has nothing of a vector.
  Where r is 0 out is 0, so that nothing moves along a vector of which there was never a gradient; and
  a finite m gives at most ±2¹⁰⁰, which sums of weights can take. A guard that is not 0 leaves roots
  and steps, and gives zeros.
  Numerics: in out's dtype; the sum under the root is scaled by a power of two, as in adamw.
  Traffic per element, f32: read m, g, r, write r, out: 20 bytes.
  )";
  static constexpr const char* examples[] = {
      "momentum=f32[3x33x17] grad=f32[3x33x17] norms=f64[3x33] momentumNorms=f64[3x33] "
      "sizes=f64[3x17] roots=f32[3x33x17] steps=i32[1] out=f32[3x33x17] least=0.25 "
      "leastOfMomentum=0.125",
      "momentum=f64[1x31x64] grad=f64[1x31x64] norms=f64[1x64] momentumNorms=f64[1x64] "
      "sizes=f64[1x31] roots=f64[31x64] steps=i32[1] out=f64[1x31x64] axis=columns least=0.25 "
      "leastOfMomentum=0.125",
      "momentum=f32[2x5x64] grad=f32[2x5x64] norms=f64[2x64] momentumNorms=f64[2x64] "
      "sizes=f64[2x5] roots=bf16[2x5x64] steps=i32[1] out=f32[2x5x64] guard=f64[1] axis=columns "
      "eps=0",
      "momentum=f32[1x5x7] grad=f32[1x5x7] norms=f64[1x5] momentumNorms=f64[1x5] sizes=f64[1x7] "
      "roots=f16[5x7] steps=i32[1] out=f32[1x5x7] beta1=0.5 beta2=0.75 eps=0.5"};
  static constexpr const char* cases[] = {
      "momentum=f32[1x4096x1024] grad=f32[1x4096x1024] norms=f64[1x4096] "
      "momentumNorms=f64[1x4096] sizes=f64[1x1024] roots=f32[4096x1024] steps=i32[1] "
      "out=f32[1x4096x1024] least=1e-6 leastOfMomentum=1e-6"};
  View momentum, grad, norms, momentum_norms, sizes, guard, roots, steps, out;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, least = 0, least_of_momentum = 0;
  SliceAxis axis = SliceAxis::kRows;

  // Rows or columns of each matrix, which have a norm, and the other side, a vector of the basis
  // each.
  int64_t lines() const { return out.shape[axis == SliceAxis::kRows ? 1 : 2]; }
  int64_t vectors() const { return out.shape[axis == SliceAxis::kRows ? 2 : 1]; }
  double flops() const { return double(out.size()) * (6 + kRootFlops + kQuotientFlops); }
  void fields(Fields& f) {
    f.in("momentum", momentum), f.in("grad", grad), f.in("norms", norms);
    f.in("momentumNorms", momentum_norms), f.in("sizes", sizes);
    f.in("guard", guard, kOptional), f.inout("roots", roots), f.inout("steps", steps);
    f.out("out", out);
    f.value("beta1", beta1), f.value("beta2", beta2), f.value("eps", eps), f.value("least", least);
    f.value("leastOfMomentum", least_of_momentum);
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
    for (auto& v : {norms, momentum_norms}) {
      require(v.dtype == Dtype::kF64, ErrorCode::kDtype, "norms and momentumNorms must be f64", v);
      require(v.rank == 2 && v.shape[0] == out.shape[0] && v.shape[1] == lines(), ErrorCode::kShape,
              "norms and momentumNorms must have one element a row of out, or a column", v, "out",
              out);
    }
    require(sizes.dtype == Dtype::kF64, ErrorCode::kDtype, "sizes must be f64", sizes);
    require(sizes.rank == 2 && sizes.shape[0] == out.shape[0] && sizes.shape[1] == vectors(),
            ErrorCode::kShape, "sizes must have one element a column of out, or a row", sizes,
            "out", out);
    require(is_floating(roots), ErrorCode::kDtype, "roots must be floating", roots);
    require(roots.size() == out.size(), ErrorCode::kShape, "roots must have out's elements", roots,
            "out", out);
    require.array("steps must be i32[1]", steps, Dtype::kI32, 1);
    if (guard) require.array("guard must be f64[1]", guard, Dtype::kF64, 1);
    check_fraction(require, "beta1 must be in [0, 1)", beta1);
    check_fraction(require, "beta2 must be in [0, 1)", beta2);
    require(eps >= 0, ErrorCode::kArgument, "eps must not be negative", eps);
    check_fraction(require, "least must be in [0, 1)", least);
    check_fraction(require, "leastOfMomentum must be in [0, 1)", least_of_momentum);
  }
};

}  // namespace orthokit
