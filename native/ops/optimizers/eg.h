#pragma once
#include "ops/optimizers/shared/momentum_form.h"
#include "ops/optimizers/shared/step.h"

namespace orthokit {

enum class EgVariant : int32_t { kSgd, kAdamw };
inline Words words(EgVariant) {
  static constexpr const char* list[] = {"sgd", "adamw"};
  return list;
}

struct Eg {
  static constexpr const char *name = "eg",
                              *summary = "one exponentiated-gradient step on a list of parameters";
  static constexpr const char* about = R"(
  One step of exponentiated gradient (Kivinen and Warmuth 1997; linclab/EG_optimiser, which "Brain-
  like learning with exponentiated gradients" and arXiv 2510.02730 build on): no weight changes its
  sign.
    w ← keep · w · exp(−lr sign(w) u),  u by the variant of d = g + shrink sign(w):
    sgd    u = d, or as in sgd with heavy-ball momentum: m ← d at the first step, then m ← μ m +
           (1−dampening) d;  u = m, or d + μ m (nesterov)
    adamw  u = m / (1−β₁ᵗ) / (r / sqrt(1−β₂ᵗ) + eps), as in adamw
  Decay as everywhere; cautious decays where the step makes |w| smaller.
  The exponent is cut to ±30; the third number of the statistics is how many were. No step takes |w|
  out of the range of f32 numbers, 2⁻¹⁴⁹ to 3.4e38, so that none becomes 0, where it would stay; in
  16 bits rounding may still do that. 0 stays 0. Σ(rate·u)² of the statistics is that of what the
  exponential changes.
  Traffic per element, f32: read w, g, write w: 12 bytes; with m 20, with m and r 28.
  )";
  static constexpr const char* examples[] = {
      "weights=f32[597x43],f32[31] grads=f32[597x43],f32[31] momenta=f32[597x43],f32[31] "
      "steps=i32[1],i32[1] lr=0.1 momentum=0.9 nesterov=on shrink=0.01 statistics=f64[2x3]",
      "weights=f64[4097] grads=f64[4097] lr=0.1 weightDecay=0.1 weightDecayMode=cautious",
      "weights=f32[597x43] grads=f32[597x43] momenta=f32[597x43] roots=f32[597x43] steps=i32[1] "
      "variant=adamw lr=0.001 weightDecay=0.01 statistics=f64[3]",
      "weights=bf16[4097] grads=f16[4097] masters=bf16[4097] momenta=f16[4097] roots=bf16[4097] "
      "steps=i32[1] variant=adamw lr=0.01",
      "weights=f32[31] grads=f32[31] guard=f64[1] lr=100 statistics=f64[3]"};
  static constexpr const char* cases[] = {
      "weights=" ORTHOKIT_TRANSFORMER " grads=" ORTHOKIT_TRANSFORMER
      " statistics=f64[148x3] lr=0.001",
      "weights=" ORTHOKIT_TRANSFORMER " grads=" ORTHOKIT_TRANSFORMER
      " momenta=" ORTHOKIT_TRANSFORMER
      " steps=i32[1]*148 statistics=f64[148x3] lr=0.001 "
      "momentum=0.9",
      "weights=f32[1024x1024] grads=f32[1024x1024] momenta=f32[1024x1024] roots=f32[1024x1024] "
      "steps=i32[1] variant=adamw statistics=f64[1x3] lr=0.001"};
  Step step;
  List<View> momenta, roots, steps;
  EgVariant variant = EgVariant::kSgd;
  double momentum = 0, dampening = 0, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, shrink = 0;
  Nesterov nesterov = Nesterov::kOff;

  MomentumRule rule() const {
    return {momentum, dampening, nesterov == Nesterov::kOn, MomentumForm::kHeavyBall};
  }
  double flops() const {
    constexpr double kStep = kExpFlops + 8;  // beside those of every step
    constexpr double kAdam = kMomentumFlops + 5 + kRootFlops + 3 + 2 * kQuotientFlops;
    const double shrinks = shrink != 0 ? 2 : 0;
    if (variant == EgVariant::kAdamw) return step.flops(kAdam + kStep + shrinks);
    return step.flops((momenta.count > 0 ? rule().flops() : 0) + kStep + shrinks);
  }
  void fields(Fields& f) {
    step.operands(f);
    f.inout("momenta", momenta, kOptional), f.inout("roots", roots, kOptional);
    f.inout("steps", steps, kOptional);
    step.values(f);
    f.value("variant", variant), f.value("momentum", momentum), f.value("dampening", dampening);
    f.value("nesterov", nesterov), f.value("beta1", beta1), f.value("beta2", beta2);
    f.value("eps", eps), f.value("shrink", shrink);
  }
  void check(auto require) const {
    step.check(require);
    require(step.keep() > 0 && step.cautious() < 1, ErrorCode::kArgument,
            "weightDecay must leave a part of each weight, or signs would change",
            step.weight_decay);
    check_fraction(require, "momentum must be in [0, 1)", momentum);
    check_fraction(require, "dampening must be in [0, 1)", dampening);
    check_fraction(require, "beta1 must be in [0, 1)", beta1);
    check_fraction(require, "beta2 must be in [0, 1)", beta2);
    require(eps >= 0, ErrorCode::kArgument, "eps must not be negative", eps);
    require(std::isfinite(shrink), ErrorCode::kArgument, "shrink must be finite", shrink);
    if (variant == EgVariant::kAdamw) {
      step.check_state(require, "momenta must be like weights", momenta);
      step.check_state(require, "roots must be like weights", roots);
      return step.check_steps(require, steps);
    }
    require(roots.count == 0, ErrorCode::kArgument, "roots must be left out for variant sgd",
            double(roots.count));
    if (step.weights.count == 0) return;
    if (momenta.count == 0) {
      require(momentum == 0, ErrorCode::kArgument, "momenta are missing for momentum", momentum);
      require(steps.count == 0, ErrorCode::kArgument, "momenta are missing for steps",
              double(steps.count));
      return require(nesterov == Nesterov::kOff, ErrorCode::kArgument,
                     "momenta are missing for nesterov");
    }
    step.check_state(require, "momenta must be like weights", momenta);
    step.check_steps(require, steps);
  }
};

}  // namespace orthokit
