#pragma once
#include "ops/optimizers/normalized_update.h"
#include "ops/optimizers/shared/orthogonal_step.h"

namespace orthokit {

struct NorMuon {
  static constexpr const char *name = "nor_muon",
                              *summary = "one NorMuon step on a list of parameters";
  static constexpr const char* about = R"(
  One NorMuon step on a list of matrices, batches (rank 3) and convolutions (rank 4, 5: [O, rest]);
  Li et al. 2025, arXiv 2510.05491.
    m ← momentum, u = look-ahead, o = newton_schulz(u), then normalized_update of o
  Composed of momentum, newton_schulz, row_reduce or column_reduce, and normalized_update, parameters
  of one shape together, as far as they have 4 million elements: scratch for the largest group only.
  eps is that of Newton–Schulz, rowEps that of normalized_update.
  Numerics: f32, or f64 for f64 weights; norms and sums of rows in f64.
  )";
  static constexpr const char* examples[] = {
      "weights=f32[65x300],f32[33x31] grads=f32[65x300],f32[33x31] momenta=f32[65x300],f32[33x31] "
      "secondMoments=f32[65],f32[33] lr=0.02 "
      "coefficients=3.4445,-4.775,2.0315,3.4445,-4.775,2.0315 statistics=f64[2x3]",
      "weights=f64[3x33x31] grads=f64[3x33x31] momenta=f64[3x33x31] secondMoments=f64[99] lr=0.02 "
      "coefficients=1.5,-0.5,0 variant=dion shapeScale=spectral momentumForm=heavy-ball "
      "nesterov=off",
      "weights=bf16[33x65],f16[5x3x2x2] grads=bf16[33x65],f32[5x3x2x2] "
      "masters=bf16[33x65],f32[5x3x2x2] momenta=bf16[33x65],f32[5x3x2x2] "
      "secondMoments=bf16[65],f32[12] axis=long variant=nanogpt rowEps=1e-10 lr=0.02 "
      "coefficients=3.4445,-4.775,2.0315 weightDecay=0.1",
      "weights=f32[31x33] grads=f32[31x33] momenta=f32[31x33] secondMoments=f32[31] lr=0.02 "
      "coefficients=1.5,-0.5,0 weightDecay=0.1 weightDecayMode=l2 variant=paper shapeScale=none",
      "weights=f32[31x33] grads=f32[31x33] guard=f64[1] momenta=f32[31x33] secondMoments=f32[31] "
      "lr=0.02 coefficients=1.5,-0.5,0 statistics=f64[3]"};
  static constexpr const char* cases[] = {
      "weights=f32[1024x1024] grads=f32[1024x1024] momenta=f32[1024x1024] secondMoments=f32[1024] "
      "lr=0.02 "
      "coefficients=3.4445,-4.775,2.0315,3.4445,-4.775,2.0315,3.4445,-4.775,2.0315,3.4445,-4.775,2."
      "0315,3.4445,-4.775,2.0315"};
  OrthogonalStep base;
  List<View> second_moments;
  double beta2 = 0.95, row_eps = 1e-8;
  ShapeScale shape_scale = ShapeScale::kOriginal;
  NorMuonVariant variant = NorMuonVariant::kRepo;
  MomentAxis axis = MomentAxis::kRow;

  double flops() const {
    double sum = base.flops();
    for (auto& w : base.step.weights) sum += 3 * double(w.size());  // squares, factors
    return sum;
  }
  void fields(Fields& f) {
    base.operands(f);
    f.inout("secondMoments", second_moments);
    base.values(f);
    f.value("beta2", beta2), f.value("rowEps", row_eps), f.value("shapeScale", shape_scale);
    f.value("variant", variant), f.value("axis", axis);
  }
  void check(auto require) const {
    base.check(require);
    check_matrices(require, base.step.weights);
    check_row_moments(require, base.step, second_moments, axis);
    check_fraction(require, "beta2 must be in [0, 1)", beta2);
    require(row_eps >= 0, ErrorCode::kArgument, "rowEps must not be negative", row_eps);
  }
};

}  // namespace orthokit
