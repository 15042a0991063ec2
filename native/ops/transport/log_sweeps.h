#pragma once
#include "ops/transport/shared/transport.h"

namespace orthokit {

// The same relative to its mass, where the sum becomes a scale.
inline constexpr double least_sum_of(Dtype dtype) { return dtype == Dtype::kF32 ? 1e-8 : 1e-60; }

struct LogSweeps {
  static constexpr const char *name = "log_sweeps",
                              *summary = "sweeps of Sinkhorn's iteration in the log domain";
  static constexpr const char* about = R"(
  `sweeps` sweeps of Sinkhorn's iteration in the log domain, for the masses r and c:
    fᵢ = eps (ln rᵢ − ln Σⱼ exp((gⱼ − costᵢⱼ) / eps)),
    gⱼ = eps (ln cⱼ − ln Σᵢ exp((fᵢ − costᵢⱼ) / eps)).
  statistics = [Σⱼ |cⱼ − column sum j| before the last update of g, where the row sums are right].
  With `kernel`, the last sweep leaves g as it was; the kernel becomes exp((f + g − cost) / eps),
  and columnScale what multiplies its columns to have their masses: the update of g. A column whose
  scale would be too large gets its g, a new column and the scale 1.
  Numerics: in f64, sums in a fixed order; no exponential overflows. A mass of 0 gives a potential
  of −inf. A row or column that no finite cost and potential reaches keeps its potential.
  Traffic: one read of the cost a sweep, and one exponential an element.
  )";
  static constexpr const char* examples[] = {
      "cost=f32[597x43] rowMass=f64[597] columnMass=f64[43] rowPotential=f64[597] "
      "columnPotential=f64[43] statistics=f64[1] sweeps=3",
      "cost=f64[3x4097] rowMass=f64[3] columnMass=f64[4097] rowPotential=f64[3] "
      "columnPotential=f64[4097] statistics=f64[1] eps=0.5",
      "cost=f32[597x43] rowMass=f64[597] columnMass=f64[43] rowPotential=f64[597] "
      "columnPotential=f64[43] statistics=f64[1] kernel=f32[597x43] columnScale=f64[43] sweeps=2",
      "cost=f32[5x8199] rowMass=f64[5] columnMass=f64[8199] rowPotential=f64[5] "
      "columnPotential=f64[8199] statistics=f64[1] kernel=f32[5x8199] columnScale=f64[8199] "
      "sweeps=2",
      "cost=f64[31x33] rowMass=f64[31] columnMass=f64[33] rowPotential=f64[31] "
      "columnPotential=f64[33] statistics=f64[1] kernel=f64[31x33] columnScale=f64[33] sweeps=3"};
  static constexpr const char* cases[] = {
      "cost=f64[500x500] rowMass=f64[500] columnMass=f64[500] rowPotential=f64[500] "
      "columnPotential=f64[500] statistics=f64[1]",
      "cost=f64[2000x2000] rowMass=f64[2000] columnMass=f64[2000] rowPotential=f64[2000] "
      "columnPotential=f64[2000] statistics=f64[1]",
      "cost=f32[8000x8000] rowMass=f64[8000] columnMass=f64[8000] rowPotential=f64[8000] "
      "columnPotential=f64[8000] statistics=f64[1]"};
  View cost, row_mass, column_mass, row_potential, column_potential, statistics;
  View kernel, column_scale;
  double eps = 1;
  int64_t count = 1;

  void fields(Fields& f) {
    f.in("cost", cost), f.in("rowMass", row_mass), f.in("columnMass", column_mass);
    f.inout("rowPotential", row_potential), f.inout("columnPotential", column_potential);
    f.out("statistics", statistics), f.out("kernel", kernel, kOptional);
    f.out("columnScale", column_scale, kOptional);
    f.value("eps", eps), f.value("sweeps", count);
  }
  double flops() const { return (kExpFlops + 6) * wide_flops(cost) * double(cost.size() * count); }
  double bytes() const { return double(bytes_in(cost)) * double(count) + double(bytes_in(kernel)); }
  void check(auto require) const {
    require_transport_matrix(require, "cost must be a matrix", "cost must be f32 or f64", cost);
    require_vector(require, "rowMass must be f64 with one element a row", row_mass, cost.shape[0]);
    require_vector(require, "columnMass must be f64 with one element a column", column_mass,
                   cost.shape[1]);
    require_vector(require, "rowPotential must be f64 with one element a row", row_potential,
                   cost.shape[0]);
    require_vector(require, "columnPotential must be f64 with one element a column",
                   column_potential, cost.shape[1]);
    require.array("statistics must be f64[1]", statistics, Dtype::kF64, 1);
    require(bool(kernel) == bool(column_scale), ErrorCode::kArgument,
            "kernel and columnScale go together");
    if (kernel) {
      require(kernel.dtype == cost.dtype, ErrorCode::kDtype, "kernel must have the cost's dtype",
              kernel);
      require(same_shape(kernel, cost), ErrorCode::kShape, "kernel must have the cost's shape",
              kernel, "cost", cost);
      require_vector(require, "columnScale must be f64 with one element a column", column_scale,
                     cost.shape[1]);
    }
    require_eps(require, eps);
    require(count >= 1 && count <= kMostSweeps, ErrorCode::kArgument, "sweeps must be 1 to 65536",
            double(count));
  }
};

}  // namespace orthokit
