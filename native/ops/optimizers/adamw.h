#pragma once
#include "ops/optimizers/shared/momentum_form.h"
#include "ops/optimizers/shared/step.h"

namespace orthokit {

struct Adamw {
  static constexpr const char *name = "adamw", *summary = "one AdamW step on a list of parameters";
  static constexpr const char* about = R"(
  One step of AdamW (Loshchilov and Hutter 2019; defaults of torch.optim.AdamW).
    m ← β₁ m + (1−β₁) g,  r ← sqrt(β₂ r² + (1−β₂) g²),  u = m / (1−β₁ᵗ) / (r / sqrt(1−β₂ᵗ) + eps)
  If the divisor is exactly 0, nothing moves.
  Numerics: the state is the root r of the second moment, so that gradients from 1e-30 to 1e30, and
  state in 16 bits, neither overflow nor vanish; the sum under the root is scaled by a power of
  two.
  Traffic per element, f32: read w, g, m, r, write w, m, r: 28 bytes.
  )";
  static constexpr const char* examples[] = {
      "weights=f32[597x43],f32[31] grads=f32[597x43],f32[31] momenta=f32[597x43],f32[31] "
      "roots=f32[597x43],f32[31] steps=i32[1],i32[1] lr=0.001 weightDecay=0.01 statistics=f64[2x3]",
      "weights=f64[4097] grads=f64[4097] momenta=f64[4097] roots=f64[4097] steps=i32[1] lr=0.01",
      "weights=f16[597x43] grads=bf16[597x43] masters=f32[597x43] momenta=f16[597x43] "
      "roots=bf16[597x43] steps=i32[1] "
      "lr=0.001 weightDecay=0.01 weightDecayMode=palm",
      "weights=bf16[4097] grads=bf16[4097] masters=bf16[4097] momenta=bf16[4097] roots=bf16[4097] "
      "steps=i32[1] lr=0.01",
      "weights=f32[31] grads=f32[31] guard=f64[1] momenta=f32[31] roots=f32[31] steps=i32[1] "
      "lr=0.01 statistics=f64[3]"};
  static constexpr const char* cases[] = {
      "weights=" ORTHOKIT_TRANSFORMER " grads=" ORTHOKIT_TRANSFORMER
      " momenta=" ORTHOKIT_TRANSFORMER " roots=" ORTHOKIT_TRANSFORMER
      " steps=i32[1]*148 statistics=f64[148x3] lr=0.001 weightDecay=0.01",
      "weights=f32[4096x1024] grads=f32[4096x1024] momenta=f32[4096x1024] roots=f32[4096x1024] "
      "steps=i32[1] statistics=f64[1x3] lr=0.001 weightDecay=0.01",
      "weights=f32[1024x1024] grads=f32[1024x1024] momenta=f32[1024x1024] roots=f32[1024x1024] "
      "steps=i32[1] statistics=f64[1x3] lr=0.001 weightDecay=0.01"};
  Step step;
  List<View> momenta, roots, steps;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;

  double flops() const {
    constexpr double kRoot = 5 + kRootFlops, kDirection = 3 + 2 * kQuotientFlops;
    return step.flops(kMomentumFlops + kRoot + kDirection);
  }
  void fields(Fields& f) {
    step.operands(f);
    f.inout("momenta", momenta), f.inout("roots", roots), f.inout("steps", steps);
    step.values(f);
    f.value("beta1", beta1), f.value("beta2", beta2), f.value("eps", eps);
  }
  void check(auto require) const {
    step.check(require);
    step.check_state(require, "momenta must be like weights", momenta);
    step.check_state(require, "roots must be like weights", roots);
    step.check_steps(require, steps);
    check_fraction(require, "beta1 must be in [0, 1)", beta1);
    check_fraction(require, "beta2 must be in [0, 1)", beta2);
    require(eps >= 0, ErrorCode::kArgument, "eps must not be negative", eps);
  }
};

}  // namespace orthokit
