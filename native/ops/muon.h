#pragma once
#include "ops/orthogonal_step.h"

namespace orthokit {

// One Muon step on a list of matrices, batches (rank 3) and convolutions (rank 4, 5: [O, rest]);
// Jordan et al. 2024.
//   m ← momentum, u = look-ahead, o = newton_schulz(u), w ← keep · w − lr · shapeScale · o
// Composed of momentum, newton_schulz and apply_update, one parameter after the other: scratch for
// the largest only.
struct Muon {
  static constexpr const char *name = "muon", *summary = "one Muon step on a list of parameters";
  static constexpr const char* examples[] = {
      "weights=f32[65x300],f32[33x31] grads=f32[65x300],f32[33x31] momenta=f32[65x300],f32[33x31] "
      "lr=0.02 "
      "coefficients=3.4445,-4.775,2.0315,3.4445,-4.775,2.0315 statistics=f64[2x3]",
      "weights=f64[3x33x31] grads=f64[3x33x31] momenta=f64[3x33x31] lr=0.02 "
      "coefficients=1.5,-0.5,0 "
      "shapeScale=match_rms_adamw momentumForm=heavy-ball"};
  OrthogonalStep base;
  ShapeScale shape_scale = ShapeScale::kOriginal;

  void fields(Fields& f) {
    base.operands(f);
    base.values(f);
    f.value("shapeScale", shape_scale);
  }
  void check() const {
    base.check();
    check_matrices(base.step.weights);
  }
};

}  // namespace orthokit
