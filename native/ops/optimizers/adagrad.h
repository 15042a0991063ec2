#pragma once
#include "ops/optimizers/shared/step.h"

namespace orthokit {

struct Adagrad {
  static constexpr const char *name = "adagrad",
                              *summary = "one AdaGrad step on a list of parameters";
  static constexpr const char* about = R"(
  One step of AdaGrad (Duchi, Hazan and Singer 2011; defaults of torch.optim.Adagrad).
    r ← sqrt(r² + g²),  u = g / (r + eps),  rate = lr / (1 + (t−1) · lrDecay)
  Numerics: the state is the root r of the accumulator, as in adamw.
  Traffic per element, f32: read w, g, r, write w, r: 20 bytes.
  )";
  static constexpr const char* examples[] = {
      "weights=f32[597x43],f32[31] grads=f32[597x43],f32[31] roots=f32[597x43],f32[31] "
      "steps=i32[1],i32[1] lr=0.01 "
      "weightDecay=0.1 weightDecayMode=l2 lrDecay=0.1 statistics=f64[2x3]",
      "weights=bf16[4097] grads=f16[4097] masters=bf16[4097] roots=f16[4097] steps=i32[1] lr=0.01",
      "weights=f64[31] grads=f64[31] guard=f64[1] roots=f64[31] steps=i32[1] lr=0.01"};
  static constexpr const char* cases[] = {
      "weights=f32[4096x1024],f32[4096] grads=f32[4096x1024],f32[4096] "
      "roots=f32[4096x1024],f32[4096] steps=i32[1],i32[1] lr=0.01"};
  Step step;
  List<View> roots, steps;
  double lr_decay = 0, eps = 1e-10;

  double flops() const { return step.flops(3 + kRootFlops + 1 + kQuotientFlops); }
  void fields(Fields& f) {
    step.operands(f);
    f.inout("roots", roots), f.inout("steps", steps);
    step.values(f);
    f.value("lrDecay", lr_decay), f.value("eps", eps);
  }
  void check(auto require) const {
    step.check(require);
    step.check_state(require, "roots must be like weights", roots);
    step.check_steps(require, steps);
    require(lr_decay >= 0, ErrorCode::kArgument, "lrDecay must not be negative", lr_decay);
    require(eps >= 0, ErrorCode::kArgument, "eps must not be negative", eps);
  }
};

}  // namespace orthokit
