#pragma once
#include "ops/optimizers/shared/momentum_form.h"
#include "ops/optimizers/shared/step.h"

namespace orthokit {

struct Momentum {
  static constexpr const char *name = "momentum",
                              *summary = "momentum and its look-ahead, of a list of gradients";
  static constexpr const char* about = R"(
  The momentum of a matrix optimizer, and the vector that is orthogonalized: m as MomentumRule
  says, out = m or its look-ahead. With `l2`, g is g + l2 · w first. A guard that is not 0 leaves
  momenta and squares, and gives zeros.
  Numerics: in out's dtype, f32 or f64. Traffic per element, f32: read g, m, write m, out: 16
  bytes.
  )";
  static constexpr const char* examples[] = {
      "grads=f32[597x43],f32[31] momenta=f32[597x43],f32[31] out=f32[597x43],f32[31] momentum=0.95 "
      "nesterov=on",
      "grads=f64[4097] momenta=f64[4097] out=f64[4097] weights=f64[4097] l2=0.1 momentum=0.9 "
      "momentumForm=heavy-ball",
      "grads=bf16[4097],f16[31] momenta=bf16[4097],f32[31] out=f32[4097],f32[31] squares=f64[2] "
      "weights=bf16[4097],f32[31] l2=0.1",
      "grads=bf16[597] momenta=f32[597] out=f32[597] weights=bf16[597] masters=bf16[597] l2=0.1",
      "grads=f32[31] momenta=f32[31] out=f32[31] guard=f64[1] squares=f64[1]",
      "grads=bf16[31] momenta=f32[31] out=f32[31] momentum=1 momentumForm=heavy-ball"};
  static constexpr const char* cases[] = {
      "grads=f32[4096x1024] momenta=f32[4096x1024] out=f32[4096x1024] nesterov=on"};
  List<View> grads, momenta, out, weights;
  List<View> masters;  // of the weights, as in a step
  View guard;
  View squares;  // f64, one a gradient: Σg²
  double momentum = 0.95, dampening = 0, l2 = 0;
  Nesterov nesterov = Nesterov::kOff;
  MomentumForm form = MomentumForm::kEma;

  MomentumRule rule() const { return {momentum, dampening, nesterov == Nesterov::kOn, form}; }
  double flops() const {
    double n = 0;
    for (auto& v : out) n += double(v.size());
    return n * (rule().flops() + (l2 != 0 ? 2 : 0) + (squares ? 2 : 0));
  }
  void fields(Fields& f) {
    f.in("grads", grads), f.inout("momenta", momenta), f.out("out", out),
        f.in("weights", weights, kOptional);
    f.in("masters", masters, kOptional);
    f.in("guard", guard, kOptional), f.out("squares", squares, kOptional);
    f.value("momentum", momentum), f.value("dampening", dampening), f.value("l2", l2);
    f.value("nesterov", nesterov), f.value("momentumForm", form);
  }
  void check(auto require) const {
    const int64_t n = out.count;
    require(grads.count == n && momenta.count == n, ErrorCode::kArgument,
            "grads, momenta and out must be equally many", double(n));
    require(weights.count == n || (weights.count == 0 && l2 == 0), ErrorCode::kArgument,
            "weights must be as many as out, for l2", double(weights.count));
    require(masters.count == 0 || (masters.count == n && weights.count == n), ErrorCode::kArgument,
            "masters must be as many as weights, or none", double(masters.count));
    for (int64_t i = 0; i < weights.count; ++i) {
      require(is_floating(weights[i]), ErrorCode::kDtype, "weights must be floating", weights[i]);
      require(same_shape(weights[i], out[i]), ErrorCode::kShape, "weights must have out's shape",
              weights[i], "out", out[i]);
    }
    Step{.weights = weights, .masters = masters}.check_masters(require);
    for (int64_t i = 0; i < n; ++i) {
      require(is_f32_or_f64(out[i]), ErrorCode::kDtype, "out must be f32 or f64", out[i]);
      require(masters.count == 0 || out[i].dtype == Dtype::kF32, ErrorCode::kDtype,
              "out must be f32 where weights have masters", out[i]);
      for (auto& v : {grads[i], momenta[i]}) {
        require(is_floating(v), ErrorCode::kDtype, "grads and momenta must be floating", v);
        require(same_shape(v, out[i]), ErrorCode::kShape, "grads and momenta must have out's shape",
                v, "out", out[i]);
      }
    }
    if (guard) require.array("guard must be f64[1]", guard, Dtype::kF64, 1);
    if (squares)
      require.array("squares must be f64 with one element a gradient", squares, Dtype::kF64, n);
    const bool adds_up = momentum == 1 && form == MomentumForm::kHeavyBall;
    require((momentum >= 0 && momentum < 1) || adds_up, ErrorCode::kArgument,
            "momentum must be in [0, 1), or 1 for heavy-ball", momentum);
    check_fraction(require, "dampening must be in [0, 1)", dampening);
    require(std::isfinite(l2), ErrorCode::kArgument, "l2 must be finite", l2);
  }
};

}  // namespace orthokit
