#pragma once
#include "ops/transport.h"

namespace orthokit {

// kernelᵢⱼ = exp((fᵢ + gⱼ − costᵢⱼ) / eps): the transport plan of the potentials f and g, or the
// Gibbs kernel that scalings start from.
// Numerics: in f64, rounded once to the cost's dtype; 0 below exp(−708), infinity above exp(709). A
// cost of +inf and a potential of −inf give 0.
// Traffic: one read of the cost, one write of the kernel.
struct GibbsKernel {
  static constexpr const char *name = "gibbs_kernel",
                              *summary = "exp((f + g - cost) / eps) of every pair";
  static constexpr const char* examples[] = {
      "cost=f32[597x43] row_potential=f64[597] column_potential=f64[43] kernel=f32[597x43] eps=2",
      "cost=f64[3x4097] row_potential=f64[3] column_potential=f64[4097] kernel=f64[3x4097]"};
  static constexpr const char* cases[] = {
      "cost=f64[500x500] row_potential=f64[500] column_potential=f64[500] kernel=f64[500x500]",
      "cost=f64[2000x2000] row_potential=f64[2000] column_potential=f64[2000] "
      "kernel=f64[2000x2000]",
      "cost=f32[8000x8000] row_potential=f64[8000] column_potential=f64[8000] "
      "kernel=f32[8000x8000]"};
  View cost, row_potential, column_potential, kernel;
  double eps = 1;

  void fields(Fields& f) {
    f.in("cost", cost), f.in("row_potential", row_potential);
    f.in("column_potential", column_potential), f.out("kernel", kernel), f.value("eps", eps);
  }
  double flops() const { return (kExpFlops + 3) * wide_flops(cost) * double(cost.size()); }
  void check() const {
    require_transport_matrix("cost must be a matrix", "cost must be f32 or f64", cost);
    require_vector("row_potential must be f64 with one element a row", row_potential,
                   cost.shape[0]);
    require_vector("column_potential must be f64 with one element a column", column_potential,
                   cost.shape[1]);
    require(kernel.dtype == cost.dtype, ErrorCode::kDtype, "kernel must have the cost's dtype",
            kernel);
    require(same_shape(kernel, cost), ErrorCode::kShape, "kernel must have the cost's shape",
            kernel);
    require_eps(eps);
  }
};

}  // namespace orthokit
