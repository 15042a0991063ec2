#pragma once
#include "ops/optimizers/shared/orthogonal_step.h"
#include "ops/optimizers/shared/projection.h"
#include "ops/optimizers/shared/weights.h"
#include "ops/shared/arithmetic.h"

namespace orthokit {

struct Conda {
  static constexpr const char *name = "conda", *summary = "one Conda step on a list of parameters";
  static constexpr const char* about = R"(
  One Conda step on a list of matrices, batches (rank 3) and convolutions (rank 4, 5: [O, rest]): Adam
  in a basis of singular vectors of the momentum; Wang et al. 2025, arXiv 2509.24218, as their program
  has it.
    m ← β₁ m + (1−β₁) g;  every `gap` steps b ← the singular vectors of m, by refresh_basis;  t ← t + 1
    r ← sqrt(β₂ r² + (1−β₂) (g b)²);  u = sqrt(1−β₂ᵗ) / (1−β₁ᵗ) · (m b) / (r + eps)
    w ← keep · (w − lr · scale · u bᵀ)
  so on the right; on the left bᵀ g, bᵀ m and b u. The decay comes behind the step, but for that of the
  modes l2 and cautious. What rounding leaves of a row without a basis vector counts as 0, as in
  adam_in_basis (of a column on the left): of g, 8 √side roundings of the row's norm times the largest
  entry of the vector, of f64 for gradients and weights in f64, else of f32; of m as many, and 4 /
  √(1−β₁²) in the dtype of the momenta, whose roundings add up.
  Composed of momentum, refresh_basis, gemm, norms, adam_in_basis and apply_update.
  Numerics: f32, or f64 for f64 weights; the basis from f64. The second moments are not turned when the
  basis is.
  )";
  static constexpr const char* examples[] = {
      "weights=f32[65x20],f32[13x31] grads=f32[65x20],f32[13x31] momenta=f32[65x20],f32[13x31] "
      "roots=f32[65x20],f32[13x31] bases=f32[20x20],f32[13x13] steps=i32[1],i32[1] lr=0.01 gap=1 "
      "weightDecay=0.1 statistics=f64[2x3]",
      "weights=f64[3x9x5] grads=f64[3x9x5] momenta=f64[3x9x5] roots=f64[3x5x5] bases=f64[3x9x5] "
      "steps=i32[1] lr=0.01 gap=1 side=left eps=1e-3",
      "weights=f32[5x9] grads=f32[5x9] guard=f64[1] momenta=f32[5x9] roots=f32[5x5] "
      "bases=f32[9x5] steps=i32[1] lr=0.01 gap=1 side=reverse_std statistics=f64[3]",
      "weights=bf16[9x13],f16[5x3x2x2] grads=f32[9x13],f32[5x3x2x2] "
      "masters=bf16[9x13],f32[5x3x2x2] momenta=f32[9x13],f32[5x3x2x2] roots=f32[9x13],f32[5x3x2x2] "
      "bases=f32[9x9],f32[5x5] steps=i32[1],i32[1] lr=0.01 gap=1 weightDecay=0.1 "
      "weightDecayMode=l2 scale=0.5",
      "weights=f32[9x5] grads=bf16[9x5] momenta=f32[9x5] roots=f32[9x5] bases=f32[5x5] "
      "steps=i32[1] lr=0.01 side=right weightDecay=0.1 weightDecayMode=cautious"};
  static constexpr const char* cases[] = {
      "weights=f32[1024x1024] grads=f32[1024x1024] momenta=f32[1024x1024] roots=f32[1024x1024] "
      "bases=f32[1024x1024] steps=i32[1] lr=0.01 gap=200"};
  Step step;
  List<View> momenta, roots, bases, steps;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, scale = 0.25;
  int64_t gap = 2000;
  ProjectionSide side = ProjectionSide::kStd;

  // An element of a projected gradient that is this share of the norm of its row, or column, times
  // the largest entry of its vector, may be all rounding: that of f32 products, and of a gradient
  // in f32 beside an f64 weight.
  double least_of_gradient(int64_t i) const {
    const bool is_f64 = step.weights[i].dtype == Dtype::kF64 &&
                        (step.grads[i].dtype == Dtype::kF64 || step.l2() != 0);
    return 8 * rounding_unit(is_f64 ? Dtype::kF64 : Dtype::kF32) *
           std::sqrt(double(projection(i).length()));
  }
  // So of a momentum, which is made of gradients; and its elements are rounded in each step, where
  // what is left of earlier roundings falls by β₁, as they do.
  double least_of_momentum(int64_t i) const {
    const double stored =
        std::max(rounding_unit(momenta[i].dtype), rounding_unit(arithmetic_dtype(step.weights[i])));
    return std::min(least_of_gradient(i) + 4 * stored / std::sqrt(1 - beta1 * beta1), 0.5);
  }
  Projection projection(int64_t i) const { return projection_of(step.weights[i], side); }
  // Of a step without a refresh of the basis.
  double flops() const {
    double sum = step.flops(kMomentumFlops);
    for (int64_t i = 0; i < step.weights.count; ++i) {
      const Projection p = projection(i);
      const double elements = double(step.weights[i].size());
      sum += 6 * double(p.vectors()) * elements + 2 * elements +
             double(p.size()) * (6 + kRootFlops + kQuotientFlops);
    }
    return sum;
  }
  void fields(Fields& f) {
    step.operands(f);
    f.inout("momenta", momenta), f.inout("roots", roots), f.inout("bases", bases);
    f.inout("steps", steps);
    step.values(f);
    f.value("beta1", beta1), f.value("beta2", beta2), f.value("eps", eps);
    f.value("scale", scale), f.value("gap", gap), f.value("side", side);
  }
  void check(auto require) const {
    step.check(require);
    step.check_state(require, "momenta must be like weights", momenta);
    check_matrices(require, step.weights);
    step.check_steps(require, steps);
    require(roots.count == step.weights.count, ErrorCode::kArgument,
            "roots must be as many as weights", double(roots.count));
    require(bases.count == step.weights.count, ErrorCode::kArgument,
            "bases must be as many as weights", double(bases.count));
    for (int64_t i = 0; i < bases.count; ++i) {
      const Projection p = projection(i);
      const View& weight = step.weights[i];
      require(is_floating(roots[i]), ErrorCode::kDtype, "roots must be floating", roots[i]);
      require(roots[i].size() == p.size(), ErrorCode::kShape,
              "roots must have an element for each of the projected weights", roots[i], "weights",
              weight);
      require(bases[i].dtype == arithmetic_dtype(weight), ErrorCode::kDtype,
              "bases must be f32, or f64 for f64 weights", bases[i]);
      require(bases[i].size() == p.basis_size(), ErrorCode::kShape,
              "bases must have a row for each element of a vector, and the shorter side's columns",
              bases[i], "weights", weight);
    }
    check_fraction(require, "beta1 must be in [0, 1)", beta1);
    check_fraction(require, "beta2 must be in [0, 1)", beta2);
    require(eps >= 0, ErrorCode::kArgument, "eps must not be negative", eps);
    require(std::isfinite(scale), ErrorCode::kArgument, "scale must be finite", scale);
    require(gap >= 1, ErrorCode::kArgument, "gap must be at least 1", double(gap));
  }
};

}  // namespace orthokit
