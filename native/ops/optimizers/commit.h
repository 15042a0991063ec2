#pragma once
#include "ops/optimizers/shared/step.h"

namespace orthokit {

struct Commit {
  static constexpr const char *name = "commit",
                              *summary = "state = what was made of it, unless a guard holds";
  static constexpr const char* about = R"(
  stateᵢ = xᵢ for each tensor of the list, in the dtype of the state: the end of a step that made its
  new state elsewhere. A guard that is not 0 leaves all as it is.
  Numerics: rounded once to nearest, ties to even.
  Traffic: one read, one write.
  )";
  static constexpr const char* examples[] = {
      "state=f32[597x43],bf16[31] x=f32[597x43],f32[31] guard=f64[1]",
      "state=f64[4097],f16[33] x=f64[4097],f32[33]", "state=f32[4097] x=f64[4097]"};
  static constexpr const char* cases[] = {"state=f32[4096x1024] x=f32[4096x1024]",
                                          "state=bf16[4096x1024] x=f32[4096x1024]"};
  List<View> state, x;
  View guard;

  void fields(Fields& f) { f.inout("state", state), f.in("x", x), f.in("guard", guard, kOptional); }
  double bytes() const { return double(bytes_in(state) + bytes_in(x)); }
  void check(auto require) const {
    require(state.count == x.count, ErrorCode::kArgument, "x must be as many as state",
            double(x.count));
    for (int64_t i = 0; i < state.count; ++i) {
      for (auto& v : {state[i], x[i]})
        require(is_floating(v), ErrorCode::kDtype, "state and x must be floating", v);
      require(state[i].size() == x[i].size(), ErrorCode::kShape,
              "x must have as many elements as state", x[i], "state", state[i]);
    }
    if (guard) require.array("guard must be f64[1]", guard, Dtype::kF64, 1);
  }
};

}  // namespace orthokit
