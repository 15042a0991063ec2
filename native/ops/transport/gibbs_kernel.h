#pragma once
#include "ops/transport/shared/transport.h"

namespace orthokit {

struct GibbsKernel {
  static constexpr const char *name = "gibbs_kernel",
                              *summary = "exp((f + g - cost) / eps) of every pair";
  static constexpr const char* about = R"(
  kernelᵢⱼ = exp((fᵢ + gⱼ − costᵢⱼ) / eps): the transport plan of the potentials f and g, or the
  Gibbs kernel that scalings start from. A batch of costs has a row of potentials for each.
  Numerics: in f64, rounded once to the cost's dtype; 0 below ~exp(−708), infinity above ~exp(709).
  A cost of +inf and a potential of −inf give 0.
  Traffic: one read of the cost, one write of the kernel.
  )";
  static constexpr const char* examples[] = {
      "cost=f32[597x43] rowPotential=f64[597] columnPotential=f64[43] kernel=f32[597x43] eps=2",
      "cost=f64[3x4097] rowPotential=f64[3] columnPotential=f64[4097] kernel=f64[3x4097]",
      "cost=f32[5x31x43] rowPotential=f64[5x31] columnPotential=f64[5x43] kernel=f32[5x31x43]"};
  static constexpr const char* cases[] = {
      "cost=f64[500x500] rowPotential=f64[500] columnPotential=f64[500] kernel=f64[500x500]",
      "cost=f64[2000x2000] rowPotential=f64[2000] columnPotential=f64[2000] "
      "kernel=f64[2000x2000]",
      "cost=f32[8000x8000] rowPotential=f64[8000] columnPotential=f64[8000] "
      "kernel=f32[8000x8000]"};
  View cost, row_potential, column_potential, kernel;
  double eps = 1;

  void fields(Fields& f) {
    f.in("cost", cost), f.in("rowPotential", row_potential);
    f.in("columnPotential", column_potential), f.out("kernel", kernel), f.value("eps", eps);
  }
  double flops() const { return (kExpFlops + 3) * wide_flops(cost) * double(cost.size()); }
  int64_t problems() const { return cost.rank == 3 ? cost.shape[0] : 1; }
  int64_t rows() const { return cost.shape[cost.rank - 2]; }
  int64_t columns() const { return cost.shape[cost.rank - 1]; }
  void check(auto require) const {
    require(cost.rank == 2 || cost.rank == 3, ErrorCode::kShape,
            "cost must be a matrix or a batch of matrices", cost);
    require(is_f32_or_f64(cost), ErrorCode::kDtype, "cost must be f32 or f64", cost);
    require_potential(require, "rowPotential must be f64 with one element a row", row_potential,
                      rows());
    require_potential(require, "columnPotential must be f64 with one element a column",
                      column_potential, columns());
    require(kernel.dtype == cost.dtype, ErrorCode::kDtype, "kernel must have the cost's dtype",
            kernel);
    require(same_shape(kernel, cost), ErrorCode::kShape, "kernel must have the cost's shape",
            kernel, "cost", cost);
    require_eps(require, eps);
  }

 private:
  void require_potential(auto require, const char* what, const View& v, int64_t size) const {
    if (cost.rank == 2) return require_vector(require, what, v, size);
    require(v.dtype == Dtype::kF64, ErrorCode::kDtype, what, v);
    require(v.rank == 2 && v.shape[0] == problems() && v.shape[1] == size, ErrorCode::kShape, what,
            v, "cost", cost);
  }
};

}  // namespace orthokit
