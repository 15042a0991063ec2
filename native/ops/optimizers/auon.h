#pragma once
#include "ops/optimizers/shared/finished_updates.h"
#include "ops/optimizers/shared/momentum_form.h"

namespace orthokit {

enum class AuonVariant : int32_t { kPaper, kHead, kRms };
inline Words words(AuonVariant) {
  static constexpr const char* list[] = {"paper", "head", "rms"};
  return list;
}

struct Auon {
  static constexpr const char *name = "auon", *summary = "one AuON step on a list of parameters";
  static constexpr const char* about = R"(
  One AuON step on a list of parameters (AuON, arXiv 2509.24320, section 3.1).
    m ← β m + (1−β) g,  u = β m + (1−β) g (nesterov) or m,  ν = ‖u‖,  r = sqrt(mean cosh²(γ u / (ν
    + eps)))
    paper: w ← w − lr · s · u / (ν + eps) / (r + 1e-8), s = sqrt(max(1, rows/columns)); a batch has
    a ν a matrix
    head:  w ← w − lr · u / (r + 1e-8); one ν for the whole tensor, of any rank
    rms:   w ← w − lr · s · u / (rms(u) · sqrt(max(rows, columns)) · r) with z = γ u / rms(u):
    ours, not of the paper
  Without momenta, u is the gradient itself. A zero u moves nothing but the decay. A momentum of f16
  that would leave its range stays at ±65504, while it is finite in f32. The statistics
  of weight i are row i, or `statisticsRows[i]`, and begin with Σg², or `gradSquares`.
  Numerics: r = sqrt(1 + S), S = mean sinh² z, brake = S / (1 + r). For paper and head Σz² = γ², so
  S follows from Σu² and
  Σu⁴ within (sinh²γ − γ² − γ⁴/3) · Σu⁶ / (Σu²)³ / N; where that exceeds rounding, sinh² is summed
  directly. Sums in f64; where squares of f64 leave its range, ‖u‖ is summed again in other units.
  For rms, |z| may be of any size: sums are in log space where cosh² could overflow.
  Traffic per element, f32: read g, m, write m; then read g, m, w, write w: 28 bytes. The CPU does
  `head` in one pass of 20 bytes where N, γ alone give r within rounding, r = sqrt(1 + γ²/N), and
  corrects the weights by a second one (g, m, w) if the moments then tell otherwise; not with an l2
  decay, in f64, or for 16-bit weights without masters.
  )";
  static constexpr const char* examples[] = {
      "weights=f32[597x43],f32[31],f32[300x300] grads=f32[597x43],f32[31],f32[300x300] "
      "momenta=f32[597x43],f32[31],f32[300x300] lr=0.05 weightDecay=0.1 statistics=f64[3x3]",
      "weights=f64[33x65] grads=f64[33x65] momenta=f64[33x65] lr=0.1 variant=head gamma=1.5",
      "weights=f32[3x33x65] grads=f32[3x33x65] lr=0.1 variant=rms gamma=0.5",
      "weights=bf16[65x33],bf16[31] grads=bf16[65x33],f32[31] masters=bf16[65x33],f32[31] "
      "momenta=f32[65x33],f32[31] "
      "lr=0.05 nesterov=off",
      "weights=f32[3] grads=f32[3] lr=0.05 gamma=3 weightDecay=0.1 weightDecayMode=l2 "
      "statistics=f64[3]",
      "weights=f32[31] grads=f32[31] guard=f64[1] momenta=f32[31] lr=0.1",
      "weights=f32[33x31],f64[7x3] grads=f32[33x31],f64[7x3] gradSquares=f64[2] statisticsRows=1,0 "
      "lr=0.1 statistics=f64[2x3]"};
  static constexpr const char* cases[] = {
      "weights=" ORTHOKIT_TRANSFORMER " grads=" ORTHOKIT_TRANSFORMER
      " momenta=" ORTHOKIT_TRANSFORMER " statistics=f64[148x3] lr=0.05",
      "weights=f32[4096x1024] grads=f32[4096x1024] momenta=f32[4096x1024] statistics=f64[1x3] "
      "lr=0.05",
      "weights=f32[1024x1024] grads=f32[1024x1024] momenta=f32[1024x1024] statistics=f64[1x3] "
      "lr=0.05",
      "weights=" ORTHOKIT_TRANSFORMER " grads=" ORTHOKIT_TRANSFORMER
      " momenta=" ORTHOKIT_TRANSFORMER " statistics=f64[148x3] lr=0.24 variant=head gamma=1.5",
      "weights=f32[4096x1024] grads=f32[4096x1024] momenta=f32[4096x1024] statistics=f64[1x3] "
      "lr=0.24 variant=head gamma=1.5",
      "weights=f32[1024x1024] grads=f32[1024x1024] momenta=f32[1024x1024] statistics=f64[1x3] "
      "lr=0.24 variant=head gamma=1.5"};
  static constexpr double kFloor = 1e-8;       // added to r, as in the reference program
  static constexpr double kMostSquared = 300;  // sums of so many cosh² as there may be stay finite
  Step step;
  List<View> momenta;  // empty: u = g
  double momentum = 0.95, gamma = 1, eps = 1e-7;
  Nesterov nesterov = Nesterov::kOn;
  AuonVariant variant = AuonVariant::kPaper;

  // The norm that divides the update must be known first, but for `head`: gradient and momentum are
  // read twice.
  double bytes() const {
    double sum = step.bytes() + 2 * bytes_in(momenta);
    if (variant != AuonVariant::kHead) sum += bytes_in(step.grads) + bytes_in(momenta);
    return sum;
  }
  MomentumRule rule() const { return {momentum, 0, nesterov == Nesterov::kOn, MomentumForm::kEma}; }
  // Σu² and Σu⁴, for rms the logarithm of cosh; `paper` and `rms` compute u twice.
  double flops() const {
    const double update = momenta.count > 0 ? rule().flops() : 0;
    const double moments = variant == AuonVariant::kRms ? 2 + kExpFlops + kLogFlops : 4;
    return step.flops(moments + update * (variant == AuonVariant::kHead ? 1 : 2));
  }
  // The matrices that have a norm of their own.
  int64_t parts(const View& w) const {
    return variant == AuonVariant::kHead ? 1 : matrices(w).batch;
  }
  void fields(Fields& f) {
    step.operands(f);
    f.inout("momenta", momenta, kOptional);
    name_finished_updates(step, f);
    step.values(f);
    f.value("momentum", momentum), f.value("gamma", gamma), f.value("eps", eps);
    f.value("nesterov", nesterov), f.value("variant", variant);
  }
  void check(auto require) const {
    step.check(require);
    check_finished_updates(require, step);
    if (momenta.count > 0) step.check_state(require, "momenta must be like weights", momenta);
    require(gamma > 0 && gamma <= 100, ErrorCode::kArgument, "gamma must be in (0, 100]", gamma);
    require(eps >= 0, ErrorCode::kArgument, "eps must not be negative", eps);
    check_fraction(require, "momentum must be in [0, 1)", momentum);
  }
};

}  // namespace orthokit
