#pragma once
#include "ops/optimizers/shared/momentum_form.h"
#include "ops/optimizers/shared/step.h"

namespace orthokit {

struct DiffGrad {
  static constexpr const char *name = "diff_grad",
                              *summary = "one diffGrad step on a list of parameters";
  static constexpr const char* about = R"(
  One step of diffGrad (Dubey et al. 2019; the authors' second program, diffGrad_v2.py).
    m ← β₁ m + (1−β₁) g,  r ← sqrt(β₂ r² + (1−β₂) g²),  ξ = 1 / (1 + exp(−|p − g|)),  p ← g
    u = ξ m sqrt(1−β₂ᵗ) / (1−β₁ᵗ) / (r + eps)
  The previous gradient p is kept as a copy. Without it, ξ is ½: what the authors' first program
  computes where a framework writes each gradient to the memory of the one before.
  If the divisor is exactly 0, nothing moves.
  Numerics: the state has the root r of the second moment, as in adamw.
  Traffic per element, f32: read w, g, m, r, p, write w, m, r, p: 36 bytes; 28 without p.
  )";
  static constexpr const char* examples[] = {
      "weights=f32[597x43],f32[31] grads=f32[597x43],f32[31] momenta=f32[597x43],f32[31] "
      "roots=f32[597x43],f32[31] previous=f32[597x43],f32[31] steps=i32[1],i32[1] lr=0.001 "
      "weightDecay=0.01 weightDecayMode=l2 statistics=f64[2x3]",
      "weights=f64[4097] grads=f64[4097] momenta=f64[4097] roots=f64[4097] previous=f64[4097] "
      "steps=i32[1] lr=0.01",
      "weights=bf16[4097] grads=f16[4097] masters=bf16[4097] momenta=f16[4097] roots=bf16[4097] "
      "previous=f16[4097] steps=i32[1] lr=0.01",
      "weights=f32[31] grads=f32[31] guard=f64[1] momenta=f32[31] roots=f32[31] steps=i32[1] "
      "lr=0.01 statistics=f64[3]"};
  static constexpr const char* cases[] = {
      "weights=" ORTHOKIT_TRANSFORMER " grads=" ORTHOKIT_TRANSFORMER
      " momenta=" ORTHOKIT_TRANSFORMER " roots=" ORTHOKIT_TRANSFORMER
      " previous=" ORTHOKIT_TRANSFORMER " steps=i32[1]*148 statistics=f64[148x3] lr=0.001",
      "weights=f32[1024x1024] grads=f32[1024x1024] momenta=f32[1024x1024] roots=f32[1024x1024] "
      "previous=f32[1024x1024] steps=i32[1] statistics=f64[1x3] lr=0.001"};
  Step step;
  List<View> momenta, roots, previous, steps;  // previous empty: a friction of ½
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;

  double flops() const {
    constexpr double kRoot = 5 + kRootFlops, kDirection = 3 + kQuotientFlops;
    const double friction = previous.count > 0 ? 4 + kExpFlops : 1;
    return step.flops(kMomentumFlops + kRoot + kDirection + friction);
  }
  void fields(Fields& f) {
    step.operands(f);
    f.inout("momenta", momenta), f.inout("roots", roots), f.inout("previous", previous, kOptional);
    f.inout("steps", steps);
    step.values(f);
    f.value("beta1", beta1), f.value("beta2", beta2), f.value("eps", eps);
  }
  void check(auto require) const {
    step.check(require);
    step.check_state(require, "momenta must be like weights", momenta);
    step.check_state(require, "roots must be like weights", roots);
    if (previous.count > 0) step.check_state(require, "previous must be like weights", previous);
    step.check_steps(require, steps);
    check_fraction(require, "beta1 must be in [0, 1)", beta1);
    check_fraction(require, "beta2 must be in [0, 1)", beta2);
    require(eps >= 0, ErrorCode::kArgument, "eps must not be negative", eps);
  }
};

}  // namespace orthokit
