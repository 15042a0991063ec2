#pragma once
#include "ops/optimizers/normalized_update.h"
#include "ops/optimizers/shared/sliced_step.h"

namespace orthokit {

struct NorDion2 {
  static constexpr const char *name = "nor_dion2",
                              *summary = "one NorDion2 step on a list of parameters";
  static constexpr const char* about = R"(
  One NorDion2 step on a list of matrices, batches (rank 3) and convolutions (rank 4, 5: [O, rest]);
  microsoft/dion, nordion2.py: dion2 on rows, whatever the shape is, then NorMuon's normalization of
  the rows that were taken.
    m ← m + g;  s = the ⌈fraction · rows⌉ rows of m with the largest Σ|m|;  o = newton_schulz(s);
    m ← efDecay · m on these rows;  v ← beta2 · v + (1 − beta2) · mean(o²) of them
    w ← keep · w, then w ← w − lr · shapeScale · u on them, u = o / (√v + rowEps), row by row, with the
    norm of o; the shape is that of the whole matrix
  Of equal sums the first row is taken; v of other rows stays.
  Composed of momentum, map, row_reduce, take_slices, commit, newton_schulz, place_slices and
  normalized_update (variant dion), parameters of one shape together, as far as they have 4 million
  elements: scratch for the largest group only. eps is that of Newton–Schulz.
  Numerics: f32, or f64 for f64 weights; sums and norms of rows in f64; the norm before
  Newton–Schulz in f64, its products in nsDtype.
  )";
  static constexpr const char* examples[] = {
      "weights=f32[65x300],f32[33x31] grads=f32[65x300],f32[33x31] momenta=f32[65x300],f32[33x31] "
      "secondMoments=f32[65],f32[33] lr=0.02 coefficients=3.4445,-4.775,2.0315 fraction=0.5 "
      "statistics=f64[2x3]",
      "weights=f64[3x33x31] grads=f64[3x33x31] momenta=f64[3x33x31] secondMoments=f64[99] lr=0.02 "
      "coefficients=1.5,-0.5,0 efDecay=0.5",
      "weights=f32[31x33] grads=f32[31x33] guard=f64[1] momenta=f32[31x33] secondMoments=f32[31] "
      "lr=0.02 coefficients=1.5,-0.5,0 statistics=f64[3]",
      "weights=bf16[33x65],f16[5x3x2x2] grads=f32[33x65],f32[5x3x2x2] "
      "masters=bf16[33x65],f32[5x3x2x2] momenta=f32[33x65],f32[5x3x2x2] "
      "secondMoments=bf16[33],f32[5] lr=0.02 fraction=1 coefficients=1.5,-0.5,0 weightDecay=0.1 "
      "shapeScale=original"};
  static constexpr const char* cases[] = {
      "weights=f32[1024x1024] grads=f32[1024x1024] momenta=f32[1024x1024] secondMoments=f32[1024] "
      "lr=0.02 "
      "coefficients=3.4445,-4.775,2.0315,3.4445,-4.775,2.0315,3.4445,-4.775,2.0315,3.4445,-4.775,2."
      "0315,3.4445,-4.775,2.0315"};
  SlicedStep base;
  List<View> second_moments;
  double beta2 = 0.95, row_eps = 1e-8;

  static constexpr SliceAxis axis_of(const Matrices&) { return SliceAxis::kRows; }
  double flops() const {
    double sum = base.flops(axis_of);
    for (auto& w : base.step.weights) sum += 3 * double(w.size());  // squares, factors
    return sum;
  }
  void fields(Fields& f) {
    base.operands(f);
    f.inout("secondMoments", second_moments);
    base.values(f);
    f.value("beta2", beta2), f.value("rowEps", row_eps);
  }
  void check(auto require) const {
    base.check(require);
    check_row_moments(require, base.step, second_moments, MomentAxis::kRow);
    check_fraction(require, "beta2 must be in [0, 1)", beta2);
    require(row_eps >= 0, ErrorCode::kArgument, "rowEps must not be negative", row_eps);
  }
};

}  // namespace orthokit
