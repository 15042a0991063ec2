#pragma once
#include "ops/transport/shared/distances.h"

namespace orthokit {

enum class CostSide : int32_t { kRows, kColumns };
inline Words words(CostSide) {
  static constexpr const char* list[] = {"rows", "columns"};
  return list;
}

struct Softmin {
  static constexpr const char *name = "softmin",
                              *summary = "smooth minimum of costs, and means under its weights";
  static constexpr const char* about = R"(
  One side of an entropic transport problem against the potential g of the other:
    logSumsᵢ = ln Σⱼ exp((gⱼ − Cᵢⱼ) / eps),
  so that −eps logSums is the smooth minimum of Cᵢⱼ − gⱼ; and under the weights
  pᵢⱼ = exp((gⱼ − Cᵢⱼ) / eps − logSumsᵢ) the means meanCosts = Σⱼ pᵢⱼ Cᵢⱼ, averages = Σⱼ pᵢⱼ
  valuesⱼ and gradients = Σⱼ pᵢⱼ ∂Cᵢⱼ/∂xᵢ. With the potential f of its own side, ownPotential, each
  mean is times exp(fᵢ / eps + logSumsᵢ): sums under the plan exp((fᵢ + gⱼ − Cᵢⱼ) / eps).
  C is the matrix `cost` or, of its columns, its transpose; or, never stored, the distances of x to
  y (as pairwise_costs has them), whose gradient is taken as 0 where it does not exist.
  Numerics: in f64, in a fixed order; no exponential overflows; distances as
  ops/transport/shared/distances.h says. If every pair is forbidden, by a cost of +inf or a
  potential of −inf, logSums is −inf and the means are 0.
  Source: the online softmax, arXiv 1805.02867, over distances that are computed when needed.
  Traffic: one read of the cost, or of the points.
  )";
  static constexpr const char* examples[] = {
      "cost=f32[597x43] potential=f64[43] logSums=f64[597] meanCosts=f64[597]",
      "cost=f64[31x1030] potential=f64[31] logSums=f64[1030] values=f64[31x3] "
      "averages=f64[1030x3] of=columns eps=2",
      "x=f32[150x2] y=f32[530x2] potential=f64[530] logSums=f64[150] meanCosts=f64[150] "
      "gradients=f64[150x2] ownPotential=f64[150] eps=3",
      "x=f64[17x9] y=f64[33x9] potential=f64[33] logSums=f64[17] gradients=f64[17x9] "
      "values=f64[33x10] averages=f64[17x10] metric=euclidean",
      "x=f64[17x9] y=f64[33x9] potential=f64[33] logSums=f64[17] gradients=f64[17x9] metric=l1",
      "x=f64[70x40] y=f64[130x40] potential=f64[130] logSums=f64[70] meanCosts=f64[70] eps=9",
      "x=f32[17x600] y=f32[33x600] potential=f64[33] logSums=f64[17] gradients=f64[17x600] "
      "eps=99"};
  static constexpr const char* cases[] = {
      "x=f32[4096x3] y=f32[4096x3] potential=f64[4096] logSums=f64[4096]",
      "x=f32[2048x64] y=f32[2048x64] potential=f64[2048] logSums=f64[2048]",
      "x=f32[2048x64] y=f32[2048x64] potential=f64[2048] logSums=f64[2048] gradients=f64[2048x64]",
      "cost=f64[2000x2000] potential=f64[2000] logSums=f64[2000] of=columns"};
  View cost, x, y, potential, own_potential, values, log_sums, mean_costs, averages, gradients;
  Metric metric = Metric::kSqeuclidean;
  CostSide of = CostSide::kRows;
  double eps = 1;

  void fields(Fields& f) {
    f.in("cost", cost, kOptional), f.in("x", x, kOptional), f.in("y", y, kOptional);
    f.in("potential", potential), f.in("ownPotential", own_potential, kOptional);
    f.in("values", values, kOptional);
    f.out("logSums", log_sums), f.out("meanCosts", mean_costs, kOptional);
    f.out("averages", averages, kOptional), f.out("gradients", gradients, kOptional);
    f.value("metric", metric), f.value("of", of), f.value("eps", eps);
  }
  double flops() const {
    double each = kExpFlops + 6;
    if (x) each += 3 * double(x.shape[1]) * (gradients ? 2 : 1);
    if (values) each += 2 * double(values.shape[1]);
    return each * wide_flops(cost ? cost : x) * double(log_sums.size()) * double(potential.size());
  }
  double bytes() const { return double(bytes_in(cost) + bytes_in(x) + bytes_in(y)); }
  void check(auto require) const {
    require(bool(cost) != bool(x) && bool(x) == bool(y), ErrorCode::kArgument,
            "cost comes alone, or x and y do");
    if (cost)
      require_transport_matrix(require, "cost must be a matrix", "cost must be f32 or f64", cost);
    else
      require_points(require, x, y);
    require(cost || of == CostSide::kRows, ErrorCode::kArgument, "of is rows for x and y");
    const bool across = of == CostSide::kRows;
    const int64_t n = cost ? cost.shape[across ? 0 : 1] : x.shape[0];
    const int64_t m = cost ? cost.shape[across ? 1 : 0] : y.shape[0];
    require_vector(require, "potential must be f64 with one element a cost to choose from",
                   potential, m);
    require_vector(require, "logSums must be f64 with one element a choice", log_sums, n);
    if (own_potential)
      require_vector(require, "ownPotential must be f64 with one element a choice", own_potential,
                     n);
    if (mean_costs)
      require_vector(require, "meanCosts must be f64 with one element a choice", mean_costs, n);
    require(bool(values) == bool(averages), ErrorCode::kArgument,
            "values and averages come together or not at all");
    if (values) {
      require(values.dtype == Dtype::kF64 && averages.dtype == Dtype::kF64, ErrorCode::kDtype,
              "values and averages must be f64", values);
      require(values.rank == 2 && values.shape[0] == m, ErrorCode::kShape,
              "values must have a row an element of potential", values, "potential", potential);
      require(averages.rank == 2 && averages.shape[0] == n && averages.shape[1] == values.shape[1],
              ErrorCode::kShape, "averages must have a row a choice and a column one of values",
              averages, "logSums", log_sums, "values", values);
    }
    require(!gradients || x, ErrorCode::kArgument, "gradients come with points");
    if (gradients) {
      require(gradients.dtype == Dtype::kF64, ErrorCode::kDtype, "gradients must be f64",
              gradients);
      require(same_shape(gradients, x), ErrorCode::kShape, "gradients must have the shape of x",
              gradients, "x", x);
    }
    require_eps(require, eps);
  }
};

}  // namespace orthokit
