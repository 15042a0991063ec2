#pragma once
#include "core/op.h"

namespace orthokit {

struct EndStep {
  static constexpr const char *name = "end_step",
                              *summary = "state = x, or kept = before where numbers are not finite";
  static constexpr const char* about = R"(
  The end of a step that made its new state x elsewhere. `record` counts the steps whose numbers
  were not finite, and has the number of the last one that counts. A step is held back where a number of
  `watched` or of `sizes` is NaN or infinite, and where an earlier one was; then keptᵢ = beforeᵢ, of
  state that the step changed in place. Otherwise formerᵢ = stateᵢ for as many of the first states,
  stateᵢ = xᵢ, in the dtype of the state, and the last number is `step`. `told` takes `sizes`
  unless an earlier step was held back.
  Numerics: rounded once to nearest, ties to even.
  Traffic: one read of `watched`; one read, one write of the state, and of what was former.
  )";
  static constexpr const char* examples[] = {
      "state=f32[597x43],bf16[31] x=f32[597x43],f32[31] record=f64[2] step=3",
      "state=f64[4097],f16[33] x=f64[4097],f32[33] former=f64[4097] watched=f32[5],f64[33] "
      "kept=f32[31] before=f32[31] told=f64[4] sizes=f64[4] record=f64[2] step=7",
      "state=f32[40000] x=f32[40000] former=f32[40000] sizes=f64[2] record=f64[2]"};
  static constexpr const char* cases[] = {
      "state=f32[4096x1024] x=f32[4096x1024] former=f32[4096x1024] sizes=f64[2] record=f64[2]",
      "state=f32[10000],f32[10000] x=f32[10000],f32[10000] former=f32[10000] sizes=f64[2] "
      "record=f64[2]"};
  List<View> state, x, former, watched, kept, before;
  View told, sizes, record;
  int64_t step = 1;

  void fields(Fields& f) {
    f.inout("state", state), f.in("x", x), f.inout("former", former, kOptional);
    f.in("watched", watched, kOptional);
    f.inout("kept", kept, kOptional), f.in("before", before, kOptional);
    f.inout("told", told, kOptional), f.in("sizes", sizes, kOptional);
    f.inout("record", record), f.value("step", step);
  }
  View held() const {
    View view = record;
    view.rank = 1, view.shape[0] = 1;
    return view;
  }
  View last() const {
    View view = held();
    view.data = record.as<double>() + 1;
    return view;
  }
  double bytes() const {
    double sum = bytes_in(state) + bytes_in(x) + bytes_in(former) + bytes_in(watched);
    for (int64_t i = 0; i < former.count; ++i) sum += double(bytes_in(state[i]));
    return sum;
  }
  void check(auto require) const {
    require(state.count == x.count, ErrorCode::kArgument, "x must be as many as state",
            double(x.count));
    require(kept.count == before.count, ErrorCode::kArgument, "before must be as many as kept",
            double(before.count));
    require(former.count <= state.count, ErrorCode::kArgument,
            "former must be at most as many as state", double(former.count));
    const auto fits = [&](const View& v, const View& like) {
      require(is_floating(v) && is_floating(like), ErrorCode::kDtype,
              "state, x, former, kept and before must be floating", v);
      require(v.size() == like.size(), ErrorCode::kShape,
              "x and former must have as many elements as state, before as kept", v, "the other",
              like);
    };
    for (int64_t i = 0; i < state.count; ++i) fits(x[i], state[i]);
    for (int64_t i = 0; i < former.count; ++i) fits(former[i], state[i]);
    for (int64_t i = 0; i < kept.count; ++i) fits(before[i], kept[i]);
    for (auto& v : watched)
      require(is_floating(v), ErrorCode::kDtype, "watched must be floating", v);
    require.array("record must be f64[2]", record, Dtype::kF64, 2);
    if (sizes) require(sizes.dtype == Dtype::kF64, ErrorCode::kDtype, "sizes must be f64", sizes);
    if (told) {
      require(told.dtype == Dtype::kF64, ErrorCode::kDtype, "told must be f64", told);
      require(sizes && told.size() == sizes.size(), ErrorCode::kShape,
              "told must have as many elements as sizes", told);
    }
  }
};

}  // namespace orthokit
