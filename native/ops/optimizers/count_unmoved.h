#pragma once
#include "core/op.h"

namespace orthokit {

struct CountUnmoved {
  static constexpr const char *name = "count_unmoved",
                              *summary = "counts elements that a step has left as they were";
  static constexpr const char* about = R"(
  outₚ = the number of elements of xₚ that have the bits of beforeₚ, though gradsₚ is not 0 there, for
  each tensor p of the list: those whose step was below half a unit of rounding, and is lost. NaN
  under a guard that is not 0, which let nothing step.
  Numerics: bits of x and before are compared; a gradient that is NaN is not 0, and ±0 is.
  Traffic: one read.
  )";
  static constexpr const char* examples[] = {
      "x=bf16[597x43],f16[31],bf16[0] before=bf16[597x43],f16[31],bf16[0] "
      "grads=f32[597x43],f64[31],bf16[0] out=f64[3]",
      "x=f16[4097] before=f16[4097] grads=f16[4097] out=f64[1] guard=f64[1]"};
  static constexpr const char* cases[] = {
      "x=bf16[8192x1024] before=bf16[8192x1024] grads=bf16[8192x1024] out=f64[1]",
      "x=bf16[8192x1024] before=bf16[8192x1024] grads=f32[8192x1024] out=f64[1]"};
  List<View> x, before, grads;
  View out, guard;

  void fields(Fields& f) {
    f.in("x", x), f.in("before", before), f.in("grads", grads), f.out("out", out);
    f.in("guard", guard, kOptional);
  }
  void check(auto require) const {
    for (auto* list : {&before, &grads})
      require(list->count == x.count, ErrorCode::kArgument, "before and grads must be as many as x",
              double(list->count));
    for (int64_t i = 0; i < x.count; ++i) {
      require(x[i].dtype == Dtype::kF16 || x[i].dtype == Dtype::kBf16, ErrorCode::kDtype,
              "x must be f16 or bf16", x[i]);
      require(before[i].dtype == x[i].dtype, ErrorCode::kDtype, "before must have x's dtype",
              before[i]);
      require(is_floating(grads[i]), ErrorCode::kDtype, "grads must be floating", grads[i]);
      for (auto& v : {before[i], grads[i]})
        require(same_shape(v, x[i]), ErrorCode::kShape, "before and grads must have x's shape", v,
                "x", x[i]);
    }
    require.array("out must be f64 with one element a tensor", out, Dtype::kF64, x.count);
    if (guard) require.array("guard must be f64[1]", guard, Dtype::kF64, 1);
  }
};

}  // namespace orthokit
