#pragma once
#include "ops/optimizers/shared/sliced_step.h"

namespace orthokit {

struct Dion2 {
  static constexpr const char *name = "dion2", *summary = "one Dion2 step on a list of parameters";
  static constexpr const char* about = R"(
  One Dion2 step on a list of matrices, batches (rank 3) and convolutions (rank 4, 5: [O, rest]);
  microsoft/dion, dion2.py.
    m ← m + g;  s = the slices of m with the largest Σ|m|, ⌈fraction · number⌉ of the rows, or of the
    columns where they are fewer;  o = newton_schulz(s);  m ← efDecay · m on these slices
    w ← keep · w, then w ← w − lr · shapeScale · o on them; the shape is that of the whole matrix
  Of equal sums the first slice is taken.
  Composed of momentum, map, row_reduce or column_reduce, take_slices, commit, newton_schulz,
  place_slices and apply_update, parameters of one shape together, as far as they have 4 million
  elements: scratch for the largest group only.
  Numerics: f32, or f64 for f64 weights; sums in f64; the norm before Newton–Schulz in f64, its
  products in nsDtype.
  )";
  static constexpr const char* examples[] = {
      "weights=f32[65x300],f32[33x31] grads=f32[65x300],f32[33x31] momenta=f32[65x300],f32[33x31] "
      "lr=0.02 coefficients=3.4445,-4.775,2.0315 fraction=0.5 statistics=f64[2x3]",
      "weights=f64[3x33x31] grads=f64[3x33x31] momenta=f64[3x33x31] lr=0.02 "
      "coefficients=1.5,-0.5,0 efDecay=0.5",
      "weights=f32[31x33] grads=f32[31x33] guard=f64[1] momenta=f32[31x33] lr=0.02 "
      "coefficients=1.5,-0.5,0 statistics=f64[3]",
      "weights=bf16[33x65],f16[5x3x2x2] grads=f32[33x65],f32[5x3x2x2] "
      "masters=bf16[33x65],f32[5x3x2x2] momenta=f32[33x65],f32[5x3x2x2] lr=0.02 fraction=1 "
      "coefficients=1.5,-0.5,0 weightDecay=0.1 shapeScale=original"};
  static constexpr const char* cases[] = {
      "weights=f32[1024x1024] grads=f32[1024x1024] momenta=f32[1024x1024] lr=0.02 "
      "coefficients=3.4445,-4.775,2.0315,3.4445,-4.775,2.0315,3.4445,-4.775,2.0315,3.4445,-4.775,2."
      "0315,3.4445,-4.775,2.0315"};
  SlicedStep base;

  static constexpr SliceAxis axis_of(const Matrices& m) {
    return m.rows <= m.columns ? SliceAxis::kRows : SliceAxis::kColumns;
  }
  double flops() const { return base.flops(axis_of); }
  void fields(Fields& f) {
    base.operands(f);
    base.values(f);
  }
  void check(auto require) const { base.check(require); }
};

}  // namespace orthokit
