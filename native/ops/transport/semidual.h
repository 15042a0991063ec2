#pragma once
#include "ops/transport/shared/transport.h"

namespace orthokit {

struct Semidual {
  static constexpr const char *name = "semidual",
                              *summary = "semi-dual of entropic transport, and its gradient";
  static constexpr const char* about = R"(
  The semi-dual of entropic transport at the scales u exp(step) of the Gibbs kernel's rows:
    nextRowScale = u exp(step),  nextColumnScaleⱼ = cⱼ / (Kᵀ nextRowScale)ⱼ,
    rowSumsᵢ = nextRowScaleᵢ (K nextColumnScale)ᵢ,
  so that the column sums are right and r − rowSums is the gradient. Without a step, at u itself.
  statistics = [Σ |r − rowSums|, increase of the semi-dual in units of eps,
  Σᵢ rᵢ stepᵢ + Σⱼ cⱼ ln(nextColumnScaleⱼ / columnScaleⱼ), largest |ln| of the next scales of
  masses that are not 0]. A scale that is not finite gives [inf, −inf, inf].
  Numerics: in f64, sums in a fixed order. A mass of 0 has the scale 0.
  Source: Levenberg–Marquardt on the semi-dual, after arXiv 2401.12253.
  Traffic: two reads of the kernel.
  )";
  static constexpr const char* examples[] = {
      "kernel=f32[597x43] rowMass=f64[597] columnMass=f64[43] rowScale=f64[597] "
      "columnScale=f64[43] step=f64[597] nextRowScale=f64[597] nextColumnScale=f64[43] "
      "rowSums=f64[597] statistics=f64[3]",
      "kernel=f64[3x4097] rowMass=f64[3] columnMass=f64[4097] rowScale=f64[3] "
      "columnScale=f64[4097] nextRowScale=f64[3] nextColumnScale=f64[4097] rowSums=f64[3] "
      "statistics=f64[3]"};
  static constexpr const char* cases[] = {
      "kernel=f64[500x500] rowMass=f64[500] columnMass=f64[500] rowScale=f64[500] "
      "columnScale=f64[500] nextRowScale=f64[500] nextColumnScale=f64[500] "
      "rowSums=f64[500] statistics=f64[3]",
      "kernel=f64[2000x2000] rowMass=f64[2000] columnMass=f64[2000] rowScale=f64[2000] "
      "columnScale=f64[2000] nextRowScale=f64[2000] nextColumnScale=f64[2000] "
      "rowSums=f64[2000] statistics=f64[3]"};
  View kernel, row_mass, column_mass, row_scale, column_scale, step;
  View next_row_scale, next_column_scale, row_sums, statistics;

  void fields(Fields& f) {
    f.in("kernel", kernel), f.in("rowMass", row_mass), f.in("columnMass", column_mass);
    f.in("rowScale", row_scale), f.in("columnScale", column_scale);
    f.in("step", step, kOptional), f.out("nextRowScale", next_row_scale);
    f.out("nextColumnScale", next_column_scale), f.out("rowSums", row_sums);
    f.out("statistics", statistics);
  }
  double flops() const { return 4 * wide_flops(kernel) * double(kernel.size()); }
  double bytes() const { return 2 * double(bytes_in(kernel)); }
  void check(auto require) const {
    require_transport_matrix(require, "kernel must be a matrix", "kernel must be f32 or f64",
                             kernel);
    const int64_t n = kernel.shape[0], m = kernel.shape[1];
    require_vector(require, "rowMass must be f64 with one element a row", row_mass, n);
    require_vector(require, "columnMass must be f64 with one element a column", column_mass, m);
    require_vector(require, "rowScale must be f64 with one element a row", row_scale, n);
    require_vector(require, "columnScale must be f64 with one element a column", column_scale, m);
    if (step) require_vector(require, "step must be f64 with one element a row", step, n);
    require_vector(require, "nextRowScale must be f64 with one element a row", next_row_scale, n);
    require_vector(require, "nextColumnScale must be f64 with one element a column",
                   next_column_scale, m);
    require_vector(require, "rowSums must be f64 with one element a row", row_sums, n);
    require.array("statistics must be f64[3]", statistics, Dtype::kF64, 3);
  }
};

}  // namespace orthokit
