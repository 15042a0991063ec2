#pragma once
#include "ops/optimizers/shared/momentum_form.h"
#include "ops/optimizers/shared/step.h"

namespace orthokit {

struct Sgd {
  static constexpr const char *name = "sgd", *summary = "one SGD step on a list of parameters";
  static constexpr const char* about = R"(
  One step of stochastic gradient descent, as torch.optim.SGD defines it (specs: Baselines).
    heavy-ball: m ← g at the first step, then m ← μ m + (1−dampening) g;  u = m, or g + μ m
    (nesterov), or g (no momenta)
    ema: m ← μ m + (1−μ) g;  u = m, or μ m + (1−μ) g
  Traffic per element, f32: read w, g, m, write w, m: 20 bytes; 12 without momentum.
  )";
  static constexpr const char* examples[] = {
      "weights=f32[597x43],f32[31] grads=f32[597x43],f32[31] momenta=f32[597x43],f32[31] "
      "steps=i32[1],i32[1] lr=0.1 "
      "momentum=0.9 nesterov=on weightDecay=0.01 weightDecayMode=l2 statistics=f64[2x3]",
      "weights=f64[4097] grads=f64[4097] lr=0.1 weightDecay=0.1 weightDecayMode=cautious",
      "weights=bf16[597x43],bf16[31] grads=bf16[597x43],f32[31] masters=f32[597x43],f32[31] "
      "momenta=bf16[597x43],f16[31] "
      "steps=i32[1],i32[1] lr=0.1 momentum=0.9 momentumForm=ema statistics=f64[2x3]",
      "weights=bf16[4097] grads=f32[4097] masters=bf16[4097] lr=0.1 weightDecay=0.1 "
      "weightDecayMode=independent",
      "weights=f16[4097] grads=f16[4097] guard=f64[1] lr=0.1"};
  static constexpr const char* cases[] = {
      "weights=" ORTHOKIT_TRANSFORMER " grads=" ORTHOKIT_TRANSFORMER
      " momenta=" ORTHOKIT_TRANSFORMER
      " steps=i32[1]*148 statistics=f64[148x3] lr=0.1 momentum=0.9",
      "weights=f32[4096x1024] grads=f32[4096x1024] momenta=f32[4096x1024] steps=i32[1] "
      "statistics=f64[1x3] lr=0.1 momentum=0.9",
      "weights=f32[1024x1024] grads=f32[1024x1024] momenta=f32[1024x1024] steps=i32[1] "
      "statistics=f64[1x3] lr=0.1 momentum=0.9"};
  Step step;
  List<View> momenta, steps;  // both empty: no momentum
  double momentum = 0, dampening = 0;
  Nesterov nesterov = Nesterov::kOff;
  MomentumForm form = MomentumForm::kHeavyBall;

  MomentumRule rule() const { return {momentum, dampening, nesterov == Nesterov::kOn, form}; }
  double flops() const { return step.flops(momenta.count > 0 ? rule().flops() : 0); }
  void fields(Fields& f) {
    step.operands(f);
    f.inout("momenta", momenta, kOptional), f.inout("steps", steps, kOptional);
    step.values(f);
    f.value("momentum", momentum), f.value("dampening", dampening), f.value("nesterov", nesterov);
    f.value("momentumForm", form);
  }
  void check(auto require) const {
    step.check(require);
    check_fraction(require, "momentum must be in [0, 1)", momentum);
    check_fraction(require, "dampening must be in [0, 1)", dampening);
    require(momenta.count > 0 || momentum == 0 || step.weights.count == 0, ErrorCode::kArgument,
            "momenta are missing for momentum", momentum);
    if (momenta.count == 0) {
      require(steps.count == 0, ErrorCode::kArgument, "momenta are missing for steps",
              double(steps.count));
      require(nesterov == Nesterov::kOff || step.weights.count == 0, ErrorCode::kArgument,
              "momenta are missing for nesterov");
      return;
    }
    step.check_state(require, "momenta must be like weights", momenta);
    step.check_steps(require, steps);
  }
};

}  // namespace orthokit
