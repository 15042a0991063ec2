#pragma once
#include "ops/transport/shared/transport.h"

namespace orthokit {

// What the plan Pᵢⱼ = exp((fᵢ + gⱼ − costᵢⱼ) / eps) of two potentials sums to, without storing it: row
// sums, column sums, and statistics = [Σ P cost, Σ P, Σ |r − row sums|, Σ |c − column sums|].
// Numerics: in f64, sums in a fixed order. A forbidden pair, of cost +inf, counts for nothing.
// Traffic: one read of the cost.
struct PlanSums {
  static constexpr const char *name = "plan_sums",
                              *summary = "marginals and cost of the plan of two potentials";
  static constexpr const char* examples[] = {
      "cost=f32[597x43] row_potential=f64[597] column_potential=f64[43] row_mass=f64[597] "
      "column_mass=f64[43] row_sums=f64[597] column_sums=f64[43] statistics=f64[4] eps=2",
      "cost=f64[3x4097] row_potential=f64[3] column_potential=f64[4097] row_mass=f64[3] "
      "column_mass=f64[4097] row_sums=f64[3] column_sums=f64[4097] statistics=f64[4]",
      "cost=f32[5x6151] row_potential=f64[5] column_potential=f64[6151] row_mass=f64[5] "
      "column_mass=f64[6151] row_sums=f64[5] column_sums=f64[6151] statistics=f64[4]"};
  static constexpr const char* cases[] = {
      "cost=f64[2000x2000] row_potential=f64[2000] column_potential=f64[2000] row_mass=f64[2000] "
      "column_mass=f64[2000] row_sums=f64[2000] column_sums=f64[2000] statistics=f64[4]"};
  View cost, row_potential, column_potential, row_mass, column_mass;
  View row_sums, column_sums, statistics;
  double eps = 1;

  void fields(Fields& f) {
    f.in("cost", cost), f.in("row_potential", row_potential);
    f.in("column_potential", column_potential), f.in("row_mass", row_mass);
    f.in("column_mass", column_mass), f.out("row_sums", row_sums);
    f.out("column_sums", column_sums), f.out("statistics", statistics), f.value("eps", eps);
  }
  double flops() const { return (kExpFlops + 6) * wide_flops(cost) * double(cost.size()); }
  void check() const {
    require_transport_matrix("cost must be a matrix", "cost must be f32 or f64", cost);
    const int64_t n = cost.shape[0], m = cost.shape[1];
    require_vector("row_potential must be f64 with one element a row", row_potential, n);
    require_vector("column_potential must be f64 with one element a column", column_potential, m);
    require_vector("row_mass must be f64 with one element a row", row_mass, n);
    require_vector("column_mass must be f64 with one element a column", column_mass, m);
    require_vector("row_sums must be f64 with one element a row", row_sums, n);
    require_vector("column_sums must be f64 with one element a column", column_sums, m);
    require_array("statistics must be f64[4]", statistics, Dtype::kF64, 4);
    require_eps(eps);
  }
};

}  // namespace orthokit
