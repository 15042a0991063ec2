#pragma once
#include "ops/optimizers/shared/step.h"

namespace orthokit {

enum class NormScope : int32_t { kTensor, kGlobal, kRows };
inline Words words(NormScope) {
  static constexpr const char* list[] = {"tensor", "global", "rows"};
  return list;
}

struct AdagradNorm {
  static constexpr const char *name = "adagrad_norm",
                              *summary = "one AdaGrad-Norm step on a list of parameters";
  static constexpr const char* about = R"(
  One step of AdaGrad-Norm (AdAdaGrad, arXiv 2402.11215; Ward, Wu and Bottou): one accumulator for
  many coordinates.
    b² ← b² + ‖g‖²,  u = g / (b + eps),  rate = lr / (1 + (t−1) · lrDecay)
  `tensor`: one b² a parameter; `global`: one for the list, kept in all of `squares`, which
  may be of more parameters than those that step;
  `rows`: one a row.
  Numerics: sums of squares and b² in f64, in a fixed order. Where b² leaves its range, above ‖g‖
  of 1e154 in f64, it is infinite, and what it belongs to steps no more.
  Traffic per element, f32: read g, then read w, g, write w: 16 bytes.
  )";
  static constexpr const char* examples[] = {
      "weights=f32[597x43],f32[31] grads=f32[597x43],f32[31] squares=f64[1],f64[1] "
      "steps=i32[1],i32[1] lr=0.5 "
      "statistics=f64[2x3]",
      "weights=f32[59x43],f32[31] grads=f32[59x43],f32[31] squares=f64[59],f64[31] "
      "steps=i32[1],i32[1] lr=0.5 scope=rows",
      "weights=f64[59x43],f64[31] grads=f64[59x43],f64[31] squares=f64[1],f64[1] "
      "steps=i32[1],i32[1] lr=0.5 scope=global",
      "weights=f16[3x33x65] grads=bf16[3x33x65] masters=f32[3x33x65] squares=f64[99] steps=i32[1] "
      "lr=0.5 scope=rows "
      "weightDecay=0.1 weightDecayMode=l2 lrDecay=0.1",
      "weights=f32[31] grads=f32[31] guard=f64[1] squares=f64[1] steps=i32[1] lr=0.5"};
  static constexpr const char* cases[] = {
      "weights=f32[4096x1024],f32[4096] grads=f32[4096x1024],f32[4096] "
      "squares=f64[1],f64[1] steps=i32[1],i32[1] lr=0.5"};
  Step step;
  List<View> squares, steps;
  double lr_decay = 0, eps = 0;
  NormScope scope = NormScope::kTensor;

  double bytes() const {
    return step.bytes() + bytes_in(step.grads) + 2 * bytes_in(squares);
  }  // gradients twice
  double flops() const {
    return step.flops(step.weights.count > 0 ? 2 * wide_flops(step.weights[0]) : 0);
  }
  void fields(Fields& f) {
    step.operands(f);
    f.inout("squares", squares), f.inout("steps", steps);
    step.values(f);
    f.value("lrDecay", lr_decay), f.value("eps", eps), f.value("scope", scope);
  }
  void check(auto require) const {
    step.check(require);
    const bool enough = scope == NormScope::kGlobal ? squares.count >= step.weights.count
                                                    : squares.count == step.weights.count;
    require(enough, ErrorCode::kArgument, "squares must be as many as weights",
            double(squares.count));
    for (int64_t i = 0; i < squares.count; ++i) {
      const int64_t size = scope == NormScope::kRows
                               ? matrices(step.weights[i]).batch * matrices(step.weights[i]).rows
                               : 1;
      require(squares[i].dtype == Dtype::kF64, ErrorCode::kDtype, "squares must be f64",
              squares[i]);
      require(squares[i].size() == size, ErrorCode::kShape, "squares must have one element a scope",
              squares[i]);
    }
    step.check_steps(require, steps);
    require(lr_decay >= 0, ErrorCode::kArgument, "lrDecay must not be negative", lr_decay);
    require(eps >= 0, ErrorCode::kArgument, "eps must not be negative", eps);
  }
};

}  // namespace orthokit
