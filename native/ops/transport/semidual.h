#pragma once
#include "ops/transport/shared/transport.h"

namespace orthokit {

// The semi-dual of entropic transport at the scales u exp(step) of the Gibbs kernel's rows:
//   next_row_scale = u exp(step),  next_column_scaleⱼ = cⱼ / (Kᵀ next_row_scale)ⱼ,
//   row_sumsᵢ = next_row_scaleᵢ (K next_column_scale)ᵢ,
// so that the column sums are right and r − row_sums is the gradient. Without a step, at u itself.
// statistics = [Σ |r − row_sums|, increase of the semi-dual in units of eps,
// Σᵢ rᵢ stepᵢ + Σⱼ cⱼ ln(next_column_scaleⱼ / column_scaleⱼ), largest |ln| of the next scales of masses
// that are not 0]. A scale that is not finite gives [inf, −inf, inf].
// Numerics: in f64, sums in a fixed order. A mass of 0 has the scale 0.
// Source: Levenberg–Marquardt on the semi-dual, after arXiv 2401.12253.
// Traffic: two reads of the kernel.
struct Semidual {
  static constexpr const char *name = "semidual",
                              *summary = "semi-dual of entropic transport, and its gradient";
  static constexpr const char* examples[] = {
      "kernel=f32[597x43] row_mass=f64[597] column_mass=f64[43] row_scale=f64[597] "
      "column_scale=f64[43] step=f64[597] next_row_scale=f64[597] next_column_scale=f64[43] "
      "row_sums=f64[597] statistics=f64[3]",
      "kernel=f64[3x4097] row_mass=f64[3] column_mass=f64[4097] row_scale=f64[3] "
      "column_scale=f64[4097] next_row_scale=f64[3] next_column_scale=f64[4097] row_sums=f64[3] "
      "statistics=f64[3]"};
  static constexpr const char* cases[] = {
      "kernel=f64[500x500] row_mass=f64[500] column_mass=f64[500] row_scale=f64[500] "
      "column_scale=f64[500] next_row_scale=f64[500] next_column_scale=f64[500] "
      "row_sums=f64[500] statistics=f64[3]",
      "kernel=f64[2000x2000] row_mass=f64[2000] column_mass=f64[2000] row_scale=f64[2000] "
      "column_scale=f64[2000] next_row_scale=f64[2000] next_column_scale=f64[2000] "
      "row_sums=f64[2000] statistics=f64[3]"};
  View kernel, row_mass, column_mass, row_scale, column_scale, step;
  View next_row_scale, next_column_scale, row_sums, statistics;

  void fields(Fields& f) {
    f.in("kernel", kernel), f.in("row_mass", row_mass), f.in("column_mass", column_mass);
    f.in("row_scale", row_scale), f.in("column_scale", column_scale);
    f.in("step", step, kOptional), f.out("next_row_scale", next_row_scale);
    f.out("next_column_scale", next_column_scale), f.out("row_sums", row_sums);
    f.out("statistics", statistics);
  }
  double flops() const { return 4 * wide_flops(kernel) * double(kernel.size()); }
  double bytes() const { return 2 * double(bytes_in(kernel)); }
  void check() const {
    require_transport_matrix("kernel must be a matrix", "kernel must be f32 or f64", kernel);
    const int64_t n = kernel.shape[0], m = kernel.shape[1];
    require_vector("row_mass must be f64 with one element a row", row_mass, n);
    require_vector("column_mass must be f64 with one element a column", column_mass, m);
    require_vector("row_scale must be f64 with one element a row", row_scale, n);
    require_vector("column_scale must be f64 with one element a column", column_scale, m);
    if (step) require_vector("step must be f64 with one element a row", step, n);
    require_vector("next_row_scale must be f64 with one element a row", next_row_scale, n);
    require_vector("next_column_scale must be f64 with one element a column", next_column_scale, m);
    require_vector("row_sums must be f64 with one element a row", row_sums, n);
    require_array("statistics must be f64[3]", statistics, Dtype::kF64, 3);
  }
};

}  // namespace orthokit
