#pragma once
#include "ops/optimizers/shared/cosine_subspace.h"
#include "ops/optimizers/shared/orthogonal_step.h"

namespace orthokit {

struct Trion {
  static constexpr const char *name = "trion", *summary = "one Trion step on a list of parameters";
  static constexpr const char* about = R"(
  One Trion step on a list of matrices, batches (rank 3) and convolutions (rank 4, 5: [O, rest]);
  Modoranu et al., arXiv 2505.17967, as corrected in docs/systems.md.
    m ← m + g, a = m D_r, m ← m − (1 − momentum) a D_rᵀ, o = newton_schulz(a),
    w ← keep · w − lr · shapeScale · o D_rᵀ
  D is the DCT-II basis, or the DCT-III basis by `basis`, of the shorter side; D_r its `rank` columns
  with the largest 1-norms of m D, of equal ones the first. A matrix that is wider than tall takes
  the same from the left.
  Composed of momentum, dct, row_top_k, gather and scatter, newton_schulz and apply_update.
  Numerics: f32, or f64 for f64 weights; sums of the 1-norms in f64; of Newton–Schulz as in muon.
  )";
  static constexpr const char* examples[] = {
      "weights=f32[65x30],f32[33x31] grads=f32[65x30],f32[33x31] momenta=f32[65x30],f32[33x31] "
      "lr=0.02 rank=5 coefficients=3.4445,-4.775,2.0315 statistics=f64[2x3]",
      "weights=f64[3x17x31] grads=f64[3x17x31] momenta=f64[3x17x31] lr=0.02 rank=4 "
      "coefficients=1.5,-0.5,0 shapeScale=match_rms_adamw basis=dct3",
      "weights=bf16[33x65],f16[5x3x2x2] grads=bf16[33x65],f32[5x3x2x2] "
      "masters=bf16[33x65],f32[5x3x2x2] momenta=f32[33x65],f32[5x3x2x2] lr=0.02 rank=64 "
      "coefficients=1.5,-0.5,0 weightDecay=0.1 shapeScale=spectral",
      "weights=f32[31x33] grads=f32[31x33] momenta=f32[31x33] lr=0.02 rank=3 "
      "coefficients=1.5,-0.5,0 weightDecay=0.1 weightDecayMode=l2 momentum=0.5 shapeScale=none",
      "weights=f32[31x33] grads=f32[31x33] guard=f64[1] momenta=f32[31x33] lr=0.02 rank=3 "
      "coefficients=1.5,-0.5,0 statistics=f64[3]"};
  static constexpr const char* cases[] = {
      "weights=f32[1024x1024] grads=f32[1024x1024] momenta=f32[1024x1024] lr=0.02 rank=128 "
      "coefficients=3.4445,-4.775,2.0315,3.4445,-4.775,2.0315,3.4445,-4.775,2.0315,3.4445,-4.775,2."
      "0315,3.4445,-4.775,2.0315"};
  Step step;
  List<View> momenta;
  int64_t rank = 128;
  Orthogonalization orthogonalization;
  double momentum = 0.95;
  DctKind basis = DctKind::kDct2;
  ShapeScale shape_scale = ShapeScale::kOriginal;

  // The matrices that are orthogonalized.
  Matrices inside(const View& weight) const {
    const Matrices m = matrices(weight);
    return {m.batch, CosineSubspace::rank_of(m, rank), std::max(m.rows, m.columns)};
  }
  double flops() const {
    double sum = step.flops(3) + 2 * cosine_flops(step.weights);
    for (auto& w : step.weights) sum += orthogonalization.flops(inside(w), w.dtype);
    return sum;
  }
  void fields(Fields& f) {
    step.operands(f);
    f.inout("momenta", momenta);
    orthogonalization.operands(f);
    step.values(f);
    orthogonalization.values(f);
    f.value("rank", rank), f.value("momentum", momentum);
    f.value("basis", basis), f.value("shapeScale", shape_scale);
  }
  void check(auto require) const {
    step.check(require);
    step.check_state(require, "momenta must be like weights", momenta);
    check_matrices(require, step.weights);
    require(rank >= 1, ErrorCode::kArgument, "rank must be at least 1", double(rank));
    check_fraction(require, "momentum must be in [0, 1)", momentum);
    orthogonalization.check(require);
  }
};

}  // namespace orthokit
