#pragma once
#include "ops/transport/shared/transport.h"

namespace orthokit {

struct ScalingSweeps {
  static constexpr const char *name = "scaling_sweeps",
                              *summary = "sweeps of Sinkhorn's iteration on the Gibbs kernel";
  static constexpr const char* about = R"(
  Sweeps of Sinkhorn's iteration on the Gibbs kernel K, for the masses r and c: uᵢ = rᵢ / (K v)ᵢ,
  then vⱼ = cⱼ / (Kᵀ u)ⱼ, until Σⱼ |cⱼ − vⱼ (Kᵀ u)ⱼ| before the update of v, where the row sums are
  right, is at most `tol`, a scale leaves [1 / `maxScale`, `maxScale`], or `maxSweeps` sweeps are
  done. Where a sum is 0 or not finite for a mass that is not 0, the sweep does not count and leaves
  the scales as they were. statistics = [sweeps done, that error, the largest |ln| of the scales of
  masses that are not 0, whether a sweep failed].
  Numerics: in f64, sums in a fixed order. A mass of 0 has the scale 0.
  Traffic: one read of the kernel a sweep.
  )";
  static constexpr const char* examples[] = {
      "kernel=f32[597x43] rowMass=f64[597] columnMass=f64[43] rowScale=f64[597] "
      "columnScale=f64[43] statistics=f64[4] maxSweeps=3 maxScale=1e100",
      "kernel=f64[3x4097] rowMass=f64[3] columnMass=f64[4097] rowScale=f64[3] "
      "columnScale=f64[4097] statistics=f64[4] maxSweeps=7 tol=1 maxScale=1e100",
      "kernel=f32[5x6151] rowMass=f64[5] columnMass=f64[6151] rowScale=f64[5] "
      "columnScale=f64[6151] statistics=f64[4] maxSweeps=3 maxScale=1e100",
      "kernel=f64[31x33] rowMass=f64[31] columnMass=f64[33] rowScale=f64[31] "
      "columnScale=f64[33] statistics=f64[4] maxSweeps=3 maxScale=1e100"};
  static constexpr const char* cases[] = {
      "kernel=f64[500x500] rowMass=f64[500] columnMass=f64[500] rowScale=f64[500] "
      "columnScale=f64[500] statistics=f64[4] maxSweeps=10",
      "kernel=f64[2000x2000] rowMass=f64[2000] columnMass=f64[2000] rowScale=f64[2000] "
      "columnScale=f64[2000] statistics=f64[4] maxSweeps=10",
      "kernel=f32[8000x8000] rowMass=f64[8000] columnMass=f64[8000] rowScale=f64[8000] "
      "columnScale=f64[8000] statistics=f64[4] maxSweeps=2"};
  View kernel, row_mass, column_mass, row_scale, column_scale, statistics;
  int64_t count = 1;
  double tol = 0, most = 1e50;

  void fields(Fields& f) {
    f.in("kernel", kernel), f.in("rowMass", row_mass), f.in("columnMass", column_mass);
    f.inout("rowScale", row_scale), f.inout("columnScale", column_scale);
    f.out("statistics", statistics);
    f.value("maxSweeps", count), f.value("tol", tol), f.value("maxScale", most);
  }
  double flops() const { return 4 * wide_flops(kernel) * double(kernel.size() * count); }
  double bytes() const { return double(bytes_in(kernel)) * double(count); }
  void check(auto require) const {
    require_transport_matrix(require, "kernel must be a matrix", "kernel must be f32 or f64",
                             kernel);
    require_vector(require, "rowMass must be f64 with one element a row", row_mass,
                   kernel.shape[0]);
    require_vector(require, "columnMass must be f64 with one element a column", column_mass,
                   kernel.shape[1]);
    require_vector(require, "rowScale must be f64 with one element a row", row_scale,
                   kernel.shape[0]);
    require_vector(require, "columnScale must be f64 with one element a column", column_scale,
                   kernel.shape[1]);
    require.array("statistics must be f64[4]", statistics, Dtype::kF64, 4);
    require(count >= 1 && count <= kMostSweeps, ErrorCode::kArgument,
            "maxSweeps must be 1 to 65536", double(count));
    require(tol >= 0, ErrorCode::kArgument, "tol must not be negative", tol);
    require(most > 1 && most < HUGE_VAL, ErrorCode::kArgument,
            "maxScale must be above 1 and finite", most);
  }
};

}  // namespace orthokit
