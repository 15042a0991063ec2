#pragma once
#include "core/op.h"
#include "ops/shared/arithmetic.h"

namespace orthokit {

struct SegmentReduce {
  static constexpr const char *name = "segment_reduce",
                              *summary = "sums, largest size and inner products of each tensor";
  static constexpr const char* about = R"(
  Row p of out, for each tensor p of the list: Σ x, Σ |x|, max |x|, x·x, and with a second list
  x·y, y·y: all that norms, clipping, cosines and reports ask for, in one read.
  Numerics: in f64, sums in a fixed order: right for f32 of any size. A NaN makes all results of
  its tensor NaN, but those that do not depend on it. Tensors without elements give 0.
  Traffic: one read of x, and of y.
  )";
  static constexpr const char* examples[] = {
      "x=f32[597x43],f32[1],f32[0] out=f64[3x4]", "x=f64[40001] out=f64[1x4]",
      "x=f32[597x43],f32[31] y=f32[597x43],f32[31] out=f64[2x6]",
      "x=bf16[4097],f16[33] y=f32[4097],f16[33] out=f64[2x6]"};
  static constexpr const char* cases[] = {"x=f32[8192x1024] out=f64[1x4]",
                                          "x=f32[8192x1024] y=f32[8192x1024] out=f64[1x6]",
                                          "x=f32[64x1024] out=f64[1x4]"};
  List<View> x, y;
  View out;

  void fields(Fields& f) { f.in("x", x), f.in("y", y, kOptional), f.out("out", out); }
  double flops() const {
    double n = 0;
    for (auto& v : x) n += ((y.count > 0 ? 8 : 4) * wide_flops(v) + 1) * double(v.size());
    return n;
  }
  void check(auto require) const {
    require(y.count == 0 || y.count == x.count, ErrorCode::kArgument, "y must be as many as x",
            double(y.count));
    require(out.dtype == Dtype::kF64, ErrorCode::kDtype, "out must be f64", out);
    require(out.rank == 2 && out.shape[0] == x.count && out.shape[1] == (y.count > 0 ? 6 : 4),
            ErrorCode::kShape, "out must have a row a tensor, of 4 elements, with y 6", out);
    for (int64_t i = 0; i < x.count; ++i) {
      require(is_floating(x[i]), ErrorCode::kDtype, "x must be floating", x[i]);
      if (y.count == 0) continue;
      require(is_floating(y[i]), ErrorCode::kDtype, "y must be floating", y[i]);
      require(same_shape(y[i], x[i]), ErrorCode::kShape, "y must have x's shape", y[i], "x", x[i]);
    }
  }
};

}  // namespace orthokit
