#pragma once
#include "core/op.h"

namespace orthokit {

enum class NonFinite : int32_t { kSkip, kThrow };
inline Words words(NonFinite) {
  static constexpr const char* list[] = {"skip", "throw"};
  return list;
}

struct CheckFinite {
  static constexpr const char *name = "check_finite",
                              *summary = "guard = number of tensors that are not finite";
  static constexpr const char* about = R"(
  guard = how many tensors of x hold a NaN or an infinity; a step that is given the guard changes
  nothing unless it is 0.
  `skipped` counts how often that happened. `throw`: the queued work fails with ERR_ARGUMENT
  instead.
  Traffic: one read of x.
  )";
  static constexpr const char* examples[] = {
      "x=f32[597x43],f32[31],f32[0] guard=f64[1] skipped=f64[1]",
      "x=f64[4097],bf16[31],f16[31] guard=f64[1]"};
  static constexpr const char* cases[] = {"x=f32[8192x1024] guard=f64[1]",
                                          "x=f32[64x1024] guard=f64[1]"};
  List<View> x;
  View guard, skipped;
  NonFinite action = NonFinite::kSkip;

  void fields(Fields& f) {
    f.in("x", x), f.out("guard", guard), f.inout("skipped", skipped, kOptional),
        f.value("action", action);
  }
  void check(auto require) const {
    for (auto& v : x) require(is_floating(v), ErrorCode::kDtype, "x must be floating", v);
    require.array("guard must be f64[1]", guard, Dtype::kF64, 1);
    if (skipped) require.array("skipped must be f64[1]", skipped, Dtype::kF64, 1);
  }
};

}  // namespace orthokit
