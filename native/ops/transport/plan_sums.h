#pragma once
#include "ops/transport/shared/transport.h"

namespace orthokit {

struct PlanSums {
  static constexpr const char *name = "plan_sums",
                              *summary = "marginals and cost of the plan of two potentials";
  static constexpr const char* about = R"(
  Sums of the plan Pᵢⱼ = exp((fᵢ + gⱼ − costᵢⱼ) / eps) of two potentials, without storing it: row
  sums, column sums, and statistics = [Σ P cost, Σ P, Σ |r − row sums|, Σ |c − column sums|].
  Numerics: in f64, sums in a fixed order. A forbidden pair, of cost +inf, counts for nothing.
  Traffic: one read of the cost.
  )";
  static constexpr const char* examples[] = {
      "cost=f32[597x43] rowPotential=f64[597] columnPotential=f64[43] rowMass=f64[597] "
      "columnMass=f64[43] rowSums=f64[597] columnSums=f64[43] statistics=f64[4] eps=2",
      "cost=f64[3x4097] rowPotential=f64[3] columnPotential=f64[4097] rowMass=f64[3] "
      "columnMass=f64[4097] rowSums=f64[3] columnSums=f64[4097] statistics=f64[4]",
      "cost=f32[5x6151] rowPotential=f64[5] columnPotential=f64[6151] rowMass=f64[5] "
      "columnMass=f64[6151] rowSums=f64[5] columnSums=f64[6151] statistics=f64[4]"};
  static constexpr const char* cases[] = {
      "cost=f64[2000x2000] rowPotential=f64[2000] columnPotential=f64[2000] rowMass=f64[2000] "
      "columnMass=f64[2000] rowSums=f64[2000] columnSums=f64[2000] statistics=f64[4]"};
  View cost, row_potential, column_potential, row_mass, column_mass;
  View row_sums, column_sums, statistics;
  double eps = 1;

  void fields(Fields& f) {
    f.in("cost", cost), f.in("rowPotential", row_potential);
    f.in("columnPotential", column_potential), f.in("rowMass", row_mass);
    f.in("columnMass", column_mass), f.out("rowSums", row_sums);
    f.out("columnSums", column_sums), f.out("statistics", statistics), f.value("eps", eps);
  }
  double flops() const { return (kExpFlops + 6) * wide_flops(cost) * double(cost.size()); }
  void check(auto require) const {
    require_transport_matrix(require, "cost must be a matrix", "cost must be f32 or f64", cost);
    const int64_t n = cost.shape[0], m = cost.shape[1];
    require_vector(require, "rowPotential must be f64 with one element a row", row_potential, n);
    require_vector(require, "columnPotential must be f64 with one element a column",
                   column_potential, m);
    require_vector(require, "rowMass must be f64 with one element a row", row_mass, n);
    require_vector(require, "columnMass must be f64 with one element a column", column_mass, m);
    require_vector(require, "rowSums must be f64 with one element a row", row_sums, n);
    require_vector(require, "columnSums must be f64 with one element a column", column_sums, m);
    require.array("statistics must be f64[4]", statistics, Dtype::kF64, 4);
    require_eps(require, eps);
  }
};

}  // namespace orthokit
