#pragma once
#include "ops/transport/shared/distances.h"

namespace orthokit {

struct PairwiseCosts {
  static constexpr const char *name = "pairwise_costs",
                              *summary = "distance of every point to every other";
  static constexpr const char* about = R"(
  outᵢⱼ = the distance of row i of x to row j of y, by the word: sqeuclidean |xᵢ − yⱼ|², euclidean
  |xᵢ − yⱼ|, l1 Σₖ |xᵢₖ − yⱼₖ|.
  Numerics: in f64, from differences, so that nothing cancels, but for squared distances of many
  coordinates (ops/transport/shared/distances.h); rounded once.
  Traffic: one read of the points, one write of out.
  )";
  static constexpr const char* examples[] = {
      "x=f32[597x3] y=f32[43x3] out=f32[597x43]",
      "x=f64[5x2] y=f64[4097x2] out=f64[5x4097] metric=euclidean",
      "x=f64[31x17] y=f64[33x17] out=f64[31x33] metric=l1",
      "x=f64[70x40] y=f64[65x40] out=f64[70x65]", "x=f32[3x600] y=f32[130x600] out=f32[3x130]"};
  static constexpr const char* cases[] = {"x=f32[4096x3] y=f32[4096x3] out=f32[4096x4096]",
                                          "x=f32[2048x64] y=f32[2048x64] out=f32[2048x2048]"};
  View x, y, out;
  Metric metric = Metric::kSqeuclidean;

  void fields(Fields& f) {
    f.in("x", x), f.in("y", y), f.out("out", out), f.value("metric", metric);
  }
  double flops() const { return 3 * wide_flops(x) * double(out.size()) * double(x.shape[1]); }
  void check(auto require) const {
    require_points(require, x, y);
    require(out.dtype == x.dtype, ErrorCode::kDtype, "out must have the dtype of x", out);
    require(out.rank == 2 && out.shape[0] == x.shape[0] && out.shape[1] == y.shape[0],
            ErrorCode::kShape, "out must have a row a row of x and a column a row of y", out, "x",
            x, "y", y);
  }
};

}  // namespace orthokit
