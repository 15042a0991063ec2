#pragma once
#include "ops/optimizers/shared/finished_updates.h"

namespace orthokit {

struct ApplyUpdate {
  static constexpr const char *name = "apply_update", *summary = "decay, then w = w - lr scale u";
  static constexpr const char* about = R"(
  w ← keep · w − lr · scaleᵢ · uᵢ for each parameter i, with the decay of Step; u is `grads`.
  l2 decay is refused: it belongs to the gradient, before the update was made of it. The statistics
  hold Σu² in the first column, or `gradSquares`; those of weight i are row i, or
  `statisticsRows[i]`.
  Traffic per element, f32: read u, w, write w: 12 bytes.
  )";
  static constexpr const char* examples[] = {
      "weights=f32[597x43],f32[31] grads=f32[597x43],f32[31] scales=1,0.5 lr=0.1 weightDecay=0.1 "
      "statistics=f64[2x3]",
      "weights=bf16[4097],f16[31] grads=f32[4097],f32[31] masters=bf16[4097],f32[31] lr=0.1 "
      "weightDecay=0.1 "
      "weightDecayMode=cautious",
      "weights=f64[4097] grads=f64[4097] scales=-2 lr=0.1 weightDecay=0.1 "
      "weightDecayMode=independent",
      "weights=f32[31] grads=f32[31] guard=f64[1] lr=0.1",
      "weights=f32[31],f64[7] grads=f32[31],f64[7] gradSquares=f64[2] statisticsRows=1,0 lr=0.1 "
      "statistics=f64[2x3]"};
  static constexpr const char* cases[] = {
      "weights=f32[4096x1024],f32[4096] grads=f32[4096x1024],f32[4096] lr=0.1 "
      "weightDecay=0.1"};
  Step step;
  List<double> scales;  // empty: all 1

  double flops() const { return step.flops(0); }
  void fields(Fields& f) {
    step.operands(f);
    name_finished_updates(step, f);
    step.values(f);
    f.value("scales", scales);
  }
  void check(auto require) const {
    step.check(require);
    check_finished_updates(require, step);
    require(step.l2() == 0, ErrorCode::kArgument, "weightDecayMode must not be l2, got l2");
    require(scales.count == 0 || scales.count == step.weights.count, ErrorCode::kArgument,
            "scales must be as many as weights, or none", double(scales.count));
  }
};

}  // namespace orthokit
