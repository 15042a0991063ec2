#pragma once
#include "ops/optimizers/shared/momentum_form.h"
#include "ops/optimizers/shared/step.h"

namespace orthokit {

struct Lion {
  static constexpr const char *name = "lion", *summary = "one Lion step on a list of parameters";
  static constexpr const char* about = R"(
  One step of Lion (Chen et al. 2023): u = sign(β₁ m + (1−β₁) g),  m ← β₂ m + (1−β₂) g. sign(0) =
  0, sign(NaN) = NaN.
  Traffic per element, f32: read w, g, m, write w, m: 20 bytes.
  )";
  static constexpr const char* examples[] = {
      "weights=f32[597x43],f32[31] grads=f32[597x43],f32[31] momenta=f32[597x43],f32[31] lr=0.0001 "
      "weightDecay=0.01 "
      "statistics=f64[2x3]",
      "weights=bf16[4097] grads=bf16[4097] masters=bf16[4097] momenta=bf16[4097] lr=0.0001 "
      "weightDecay=0.1 "
      "weightDecayMode=cautious",
      "weights=f64[4097] grads=f64[4097] momenta=f64[4097] lr=0.0001 weightDecay=0.1 "
      "weightDecayMode=l2",
      "weights=f32[31] grads=f32[31] guard=f64[1] momenta=f32[31] lr=0.1"};
  static constexpr const char* cases[] = {
      "weights=f32[4096x1024],f32[4096] grads=f32[4096x1024],f32[4096] "
      "momenta=f32[4096x1024],f32[4096] "
      "lr=0.0001 weightDecay=0.01"};
  Step step;
  List<View> momenta;
  double beta1 = 0.9, beta2 = 0.99;

  double flops() const { return step.flops(2 * kMomentumFlops); }
  void fields(Fields& f) {
    step.operands(f);
    f.inout("momenta", momenta);
    step.values(f);
    f.value("beta1", beta1), f.value("beta2", beta2);
  }
  void check(auto require) const {
    step.check(require);
    step.check_state(require, "momenta must be like weights", momenta);
    check_fraction(require, "beta1 must be in [0, 1)", beta1);
    check_fraction(require, "beta2 must be in [0, 1)", beta2);
  }
};

}  // namespace orthokit
