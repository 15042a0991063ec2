#pragma once
#include "ops/transport/shared/transport.h"

namespace orthokit {

struct CostRange {
  static constexpr const char *name = "cost_range",
                              *summary = "range of the finite costs, and what makes no problem";
  static constexpr const char* about = R"(
  Questions to a transport problem before it is solved: statistics = [least and largest finite
  cost, how many costs are NaN or −inf, how many are +inf (a forbidden pair), rows with mass and no
  finite cost, columns with mass and no finite cost, rows with mass that no column with mass can
  take, columns with mass that no row with mass can fill]. If no cost is finite, the range is
  [0, 0].
  Traffic: one read of the cost.
  )";
  static constexpr const char* examples[] = {
      "cost=f32[597x43] rowMass=f64[597] columnMass=f64[43] statistics=f64[8]",
      "cost=f64[3x4097] rowMass=f64[3] columnMass=f64[4097] statistics=f64[8]",
      "cost=f32[5x6151] rowMass=f64[5] columnMass=f64[6151] statistics=f64[8]"};
  static constexpr const char* cases[] = {
      "cost=f64[2000x2000] rowMass=f64[2000] columnMass=f64[2000] statistics=f64[8]"};
  View cost, row_mass, column_mass, statistics;

  void fields(Fields& f) {
    f.in("cost", cost), f.in("rowMass", row_mass), f.in("columnMass", column_mass);
    f.out("statistics", statistics);
  }
  void check(auto require) const {
    require_transport_matrix(require, "cost must be a matrix", "cost must be f32 or f64", cost);
    require_vector(require, "rowMass must be f64 with one element a row", row_mass, cost.shape[0]);
    require_vector(require, "columnMass must be f64 with one element a column", column_mass,
                   cost.shape[1]);
    require.array("statistics must be f64[8]", statistics, Dtype::kF64, 8);
  }
};

}  // namespace orthokit
