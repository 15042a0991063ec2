#pragma once
#include "ops/optimizers/shared/orthogonal_step.h"

namespace orthokit {

struct Dion {
  static constexpr const char *name = "dion", *summary = "one Dion step on a list of parameters";
  static constexpr const char* about = R"(
  One Dion step on a list of matrices, batches (rank 3) and convolutions (rank 4, 5: [O, rest]); Ahn
  et al. 2025, arXiv 2504.05295.
    m ← m + g;  p = the orthonormal factor of m q;  r = mᵀ p;  m ← m − (1 − momentum) p rᵀ
    q ← r with columns over their norms + eps, 0 where they are;  w ← keep · w − lr · shapeScale · p qᵀ
  q is n × r, r at most the shorter side. Columns of m q that depend on others get directions of p all
  the same, those of the Householder reflections of qr, and r is 0 there but for rounding: a column of r
  that is at most 16 √longer side of the dtype's rounding of ‖r‖ counts as 0. So the step moves along m
  alone, whatever its rank, and a q that has lost columns finds them again.
  Composed of momentum, cast, gemm, qr, column_reduce, unit_columns, commit and apply_update,
  parameters of one shape and rank together, as far as they have 4 million elements: scratch for the
  largest group only.
  Numerics: f32, or f64 for f64 weights; norms of columns in f64.
  )";
  static constexpr const char* examples[] = {
      "weights=f32[65x40],f32[33x31] grads=f32[65x40],f32[33x31] momenta=f32[65x40],f32[33x31] "
      "bases=f32[40x4],f32[31x2] lr=0.02 statistics=f64[2x3]",
      "weights=f64[3x33x31] grads=f64[3x33x31] momenta=f64[3x33x31] bases=f64[3x31x3] lr=0.02 "
      "momentum=0.5",
      "weights=f32[31x33] grads=f32[31x33] guard=f64[1] momenta=f32[31x33] bases=f32[33x5] lr=0.02 "
      "statistics=f64[3]",
      "weights=bf16[33x65],f16[5x3x2x2] grads=f32[33x65],f32[5x3x2x2] "
      "masters=bf16[33x65],f32[5x3x2x2] momenta=f32[33x65],f32[5x3x2x2] "
      "bases=f32[65x1],f32[12x1] lr=0.02 weightDecay=0.1 shapeScale=original"};
  static constexpr const char* cases[] = {
      "weights=f32[1024x1024] grads=f32[1024x1024] momenta=f32[1024x1024] bases=f32[1024x64] "
      "lr=0.02"};
  Step step;
  List<View> momenta, bases;
  double momentum = 0.95, eps = 1e-8;
  ShapeScale shape_scale = ShapeScale::kSpectral;

  int64_t rank(int64_t i) const { return bases[i].shape[bases[i].rank - 1]; }
  double flops() const {
    double sum = step.flops(kMomentumFlops);
    for (int64_t i = 0; i < step.weights.count; ++i) {
      const double r = double(rank(i)), rows = double(matrices(step.weights[i]).rows);
      sum += 8 * r * double(step.weights[i].size()) +
             double(matrices(step.weights[i]).batch) * 4 * rows * r * r;
    }
    return sum;
  }
  void fields(Fields& f) {
    step.operands(f);
    f.inout("momenta", momenta), f.inout("bases", bases);
    step.values(f);
    f.value("momentum", momentum), f.value("eps", eps), f.value("shapeScale", shape_scale);
  }
  void check(auto require) const {
    step.check(require);
    step.check_state(require, "momenta must be like weights", momenta);
    check_matrices(require, step.weights);
    require(bases.count == step.weights.count, ErrorCode::kArgument,
            "bases must be as many as weights", double(bases.count));
    for (int64_t i = 0; i < bases.count; ++i) {
      const Matrices m = matrices(step.weights[i]);
      require(is_floating(bases[i]), ErrorCode::kDtype, "bases must be floating", bases[i]);
      require(
          bases[i].rank >= 2 && rank(i) <= std::min(m.rows, m.columns) &&
              bases[i].size() == m.batch * m.columns * rank(i),
          ErrorCode::kShape,
          "bases must have a row a column of weights, and at most as many columns as the shorter "
          "side",
          bases[i], "weights", step.weights[i]);
    }
    check_fraction(require, "momentum must be in [0, 1)", momentum);
    require(eps >= 0, ErrorCode::kArgument, "eps must not be negative", eps);
  }
};

}  // namespace orthokit
