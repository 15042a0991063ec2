#pragma once
#include "ops/optimizers/auon.h"
#include "ops/optimizers/shared/orthogonal_step.h"

namespace orthokit {

struct HybridAuon {
  static constexpr const char *name = "hybrid_auon",
                              *summary = "one HybridAuON step on a list of parameters";
  static constexpr const char* about = R"(
  One HybridAuON step on a list of matrices: the momentum goes through Newton–Schulz, then through
  the AuON scaling (AuON, arXiv 2509.24320, section 3.2).
    paper: renormalized, y / ‖y‖ / r;  head: y / r, and vectors as auon head;  rms: as auon rms
  Composed of momentum, newton_schulz and auon, parameters of one shape together, as far as
  they have 4 million elements: scratch for the largest group only.
  Numerics: f32, or f64 for f64 weights; sums of squares and of the hyperbolic cosine in f64.
  )";
  static constexpr const char* examples[] = {
      "weights=f32[65x300],f32[33x31] grads=f32[65x300],f32[33x31] momenta=f32[65x300],f32[33x31] "
      "lr=0.05 coefficients=3.4445,-4.775,2.0315 statistics=f64[2x3]",
      "weights=f64[33x31] grads=f64[33x31] momenta=f64[33x31] lr=0.24 "
      "coefficients=3.4445,-4.775,2.0315 variant=head gamma=1.5",
      "weights=f32[2x31x33] grads=f32[2x31x33] momenta=f32[2x31x33] lr=0.05 "
      "coefficients=3.4445,-4.775,2.0315 variant=rms gamma=0.5 statistics=f64[3]",
      "weights=f32[31x33] grads=f32[31x33] momenta=f32[31x33] lr=0.05 "
      "coefficients=3.4445,-4.775,2.0315 variant=rms gamma=1e-6 statistics=f64[3]",
      "weights=bf16[33x65] grads=bf16[33x65] masters=bf16[33x65] momenta=bf16[33x65] lr=0.05 "
      "coefficients=3.4445,-4.775,2.0315",
      "weights=f32[31x33] grads=f32[31x33] guard=f64[1] momenta=f32[31x33] lr=0.02 "
      "coefficients=1.5,-0.5,0 statistics=f64[3]",
      "weights=f32[33x65],f32[65x33],bf16[33x65],f32[2x33x65] "
      "grads=f32[33x65],f32[65x33],bf16[33x65],f32[2x33x65] "
      "momenta=f32[33x65],f32[65x33],f32[33x65],f32[2x33x65] lr=0.02 "
      "coefficients=3.4445,-4.775,2.0315,3.4445,-4.775,2.0315 nsDtype=bf16 statistics=f64[4x3]"};
  static constexpr const char* cases[] = {
      "weights=f32[1024x1024] grads=f32[1024x1024] momenta=f32[1024x1024] lr=0.05 "
      "coefficients=3.4445,-4.775,2.0315"};
  OrthogonalStep base;
  double gamma = 1;
  AuonVariant variant = AuonVariant::kPaper;

  double flops() const { return base.flops(); }
  void fields(Fields& f) {
    base.operands(f);
    base.values(f);
    f.value("gamma", gamma), f.value("variant", variant);
  }
  void check(auto require) const {
    base.check(require);
    if (variant != AuonVariant::kHead) check_matrices(require, base.step.weights);
    for (auto& w : base.step.weights)
      require(w.rank >= 2 || base.form == MomentumForm::kEma, ErrorCode::kUnsupported,
              "weights of rank 0 and 1 step as in auon, with momentumForm ema", w);
    require(gamma > 0 && gamma <= 100, ErrorCode::kArgument, "gamma must be in (0, 100]", gamma);
  }
};

}  // namespace orthokit
