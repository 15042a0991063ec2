#pragma once
#include "core/op.h"

namespace orthokit {

struct CarryRows {
  static constexpr const char *name = "carry_rows",
                              *summary = "new indices of rows; what is kept of a row goes along";
  static constexpr const char* about = R"(
  In a step that is due, the first one and each whose number `gap` divides, where `steps` counts those
  before it: indices = `chosen` in ascending order, for each matrix of the batch, and row p of its
  states is what was kept for that index, or 0 for one that is new; where indices held it several
  times, the first. In other steps, or under a guard that is not 0, all stays as it is.
  Numerics: bits are copied.
  Traffic, when due: two reads and two writes of the states.
  )";
  static constexpr const char* examples[] = {
      "states=f32[3x7x33],bf16[3x7x31] indices=i32[3x7] chosen=i32[3x7] steps=i32[1]",
      "states=f64[1x65x5] indices=i32[1x65] chosen=i32[1x65] steps=i32[1] gap=3 guard=f64[1]",
      "indices=i32[2x33] chosen=i32[2x33] steps=i32[1] gap=2"};
  static constexpr const char* cases[] = {
      "states=f32[1x128x1024],f32[1x128x1024] indices=i32[1x128] chosen=i32[1x128] steps=i32[1]"};
  List<View> states;
  View indices, chosen, steps, guard;
  int64_t gap = 1;

  // In the step behind so many others.
  static constexpr bool is_due(int64_t steps, int64_t gap) {
    return steps == 0 || (steps + 1) % gap == 0;
  }
  int64_t batch() const { return indices.shape[0]; }
  int64_t count() const { return indices.shape[1]; }
  double bytes() const {
    return 4 * bytes_in(states) + double(2 * bytes_in(indices) + bytes_in(chosen));
  }
  void fields(Fields& f) {
    f.inout("states", states, kOptional), f.inout("indices", indices), f.in("chosen", chosen);
    f.in("steps", steps), f.in("guard", guard, kOptional), f.value("gap", gap);
  }
  void check(auto require) const {
    for (auto& v : {indices, chosen})
      require(v.dtype == Dtype::kI32, ErrorCode::kDtype, "indices and chosen must be i32", v);
    require(indices.rank == 2, ErrorCode::kShape, "indices must have a row a matrix", indices);
    require(same_shape(chosen, indices), ErrorCode::kShape, "chosen must have the shape of indices",
            chosen, "indices", indices);
    for (auto& v : states) {
      require(is_floating(v), ErrorCode::kDtype, "states must be floating", v);
      require(v.rank == 3 && v.shape[0] == batch() && v.shape[1] == count(), ErrorCode::kShape,
              "states must have a row an index", v, "indices", indices);
    }
    require.array("steps must be i32[1]", steps, Dtype::kI32, 1);
    if (guard) require.array("guard must be f64[1]", guard, Dtype::kF64, 1);
    require(gap >= 1, ErrorCode::kArgument, "gap must be at least 1", double(gap));
  }
};

}  // namespace orthokit
