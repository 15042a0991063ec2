#pragma once
#include "ops/step.h"

namespace orthokit {

// One step of Lion (Chen et al. 2023): u = sign(β₁ m + (1−β₁) g),  m ← β₂ m + (1−β₂) g. sign(0) =
// 0, sign(NaN) = NaN.
// Traffic per element, f32: read w, g, m, write w, m: 20 bytes.
struct Lion {
  static constexpr const char *name = "lion", *summary = "one Lion step on a list of parameters";
  static constexpr const char* examples[] = {
      "weights=f32[597x43],f32[31] grads=f32[597x43],f32[31] momenta=f32[597x43],f32[31] lr=0.0001 "
      "weightDecay=0.01 "
      "statistics=f64[2x3]"};
  Step step;
  List<View> momenta;
  double beta1 = 0.9, beta2 = 0.99;

  void fields(Fields& f) {
    step.operands(f);
    f.inout("momenta", momenta);
    step.values(f);
    f.value("beta1", beta1), f.value("beta2", beta2);
  }
  void check() const {
    step.check();
    step.check_state("momenta must be like weights", momenta);
    check_fraction("beta1 must be in [0, 1)", beta1);
    check_fraction("beta2 must be in [0, 1)", beta2);
  }
};

}  // namespace orthokit
