#pragma once
#include "ops/optimizers/shared/orthogonal_step.h"

namespace orthokit {

struct Muon {
  static constexpr const char *name = "muon", *summary = "one Muon step on a list of parameters";
  static constexpr const char* about = R"(
  One Muon step on a list of matrices, batches (rank 3) and convolutions (rank 4, 5: [O, rest]);
  Jordan et al. 2024.
    m ← momentum, u = look-ahead, o = newton_schulz(u), w ← keep · w − lr · shapeScale · o
  Composed of momentum, newton_schulz and apply_update, parameters of one shape together, as far as
  they have 4 million elements: scratch for the largest group only.
  Numerics: f32, or f64 for f64 weights; the norm before Newton–Schulz in f64, its products in
  nsDtype.
  )";
  static constexpr const char* examples[] = {
      "weights=f32[65x300],f32[33x31] grads=f32[65x300],f32[33x31] momenta=f32[65x300],f32[33x31] "
      "lr=0.02 "
      "coefficients=3.4445,-4.775,2.0315,3.4445,-4.775,2.0315 statistics=f64[2x3]",
      "weights=f64[3x33x31] grads=f64[3x33x31] momenta=f64[3x33x31] lr=0.02 "
      "coefficients=1.5,-0.5,0 "
      "shapeScale=match_rms_adamw momentumForm=heavy-ball",
      "weights=bf16[33x65],f16[5x3x2x2] grads=bf16[33x65],f32[5x3x2x2] "
      "masters=bf16[33x65],f32[5x3x2x2] "
      "momenta=bf16[33x65],f32[5x3x2x2] lr=0.02 coefficients=3.4445,-4.775,2.0315 weightDecay=0.1 "
      "shapeScale=spectral",
      "weights=f32[31x33] grads=f32[31x33] momenta=f32[31x33] lr=0.02 coefficients=1.5,-0.5,0 "
      "weightDecay=0.1 "
      "weightDecayMode=l2 shapeScale=max dampening=0.1 nesterov=off momentumForm=heavy-ball",
      "weights=f32[31x33] grads=f32[31x33] guard=f64[1] momenta=f32[31x33] lr=0.02 "
      "coefficients=1.5,-0.5,0 statistics=f64[3]",
      "weights=f32[33x65],f32[65x33],bf16[33x65],f32[2x33x65] "
      "grads=f32[33x65],f32[65x33],bf16[33x65],f32[2x33x65] "
      "momenta=f32[33x65],f32[65x33],f32[33x65],f32[2x33x65] lr=0.02 "
      "coefficients=3.4445,-4.775,2.0315,3.4445,-4.775,2.0315 nsDtype=bf16 statistics=f64[4x3]",
      "weights=f32[9x33],bf16[21x7] grads=f32[9x33],bf16[21x7] momenta=f32[9x33],f32[21x7] lr=0.02 "
      "nsMethod=polar"};
  static constexpr const char* cases[] = {
      "weights=f32[1024x1024] grads=f32[1024x1024] momenta=f32[1024x1024] lr=0.02 "
      "coefficients=3.4445,-4.775,2.0315,3.4445,-4.775,2.0315,3.4445,-4.775,2.0315,3.4445,-4.775,2."
      "0315,3.4445,-4.775,2.0315"};
  OrthogonalStep base;
  ShapeScale shape_scale = ShapeScale::kOriginal;

  double flops() const { return base.flops(); }
  void fields(Fields& f) {
    base.operands(f);
    base.values(f);
    f.value("shapeScale", shape_scale);
  }
  void check(auto require) const {
    base.check(require);
    check_matrices(require, base.step.weights);
  }
};

}  // namespace orthokit
