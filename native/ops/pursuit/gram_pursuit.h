#pragma once
#include "ops/products/gemm.h"
#include "ops/pursuit/shared/pursuit.h"

namespace orthokit {

struct GramPursuit {
  static constexpr const char *name = "gram_pursuit",
                              *summary =
                                  "orthogonal matching pursuit of each signal by the Gram matrix";
  static constexpr const char* about = R"(
  Orthogonal matching pursuit of each signal b, all steps, by the Gram matrix (Batch-OMP:
  Rubinstein, Zibulevsky and Elad 2008). With p₀ = D y (`correlations`), G = D Dᵀ (`gram`), |d|²
  (`squares`), s (`scales`, or 1) and I = {}:
    j = argmax sⱼ |pⱼ| over j not in I, the lowest of equals;  I ← I + j
    L Lᵀ = G[I, I];  L z = p₀[I];  Lᵀ w = z;  p = p₀ − G[:, I] w;  e = |y|² − |z|²
  It ends after k steps, k the columns of `indices`; or when e ≤ max(tol, relTol² |y|²); or when
  the largest sⱼ |pⱼ| is at most `rounding` · |y| · maxⱼ sⱼ |dⱼ|. An atom whose distance² to the
  span of I is at most `dependence` · |dⱼ|² is passed over (`skip`, eight times at one step; then
  the signal ends) or ends it (`stop`). Unused places: index −1, coefficient 0.
  `energies` holds |y|²; without them there is no tolerance, `rounding` is relative to the largest
  first score, and `residualNorms` are NaN. With `atoms` and `signals`, w is refined by
  `refinements` steps of iterative refinement, and e is measured, before it is believed to be small
  and at the end. Without them e is off by up to ε (|y| + Σ |wⱼ| |dⱼ|)², ε 2⁻²⁴ in f32 and 2⁻⁵³ in
  f64.
  `residualNorms`: √e.
  Numerics: p in the dtype, added in the order of selection; factor, z, w and refinement in f64.
  NaN is never the largest.
  Traffic, f32: 4 N (k (k + 1) / 2) bytes of Gram rows a signal, in cache where k rows are.
  )";
  static constexpr const char* examples[] = {
      "correlations=f32[31x65] gram=f32[65x65] squares=f64[65] energies=f64[31] indices=i32[31x5] "
      "coefficients=f32[31x5] residualNorms=f32[31] counts=i32[31]",
      "correlations=f64[5x597] gram=f64[597x597] squares=f64[597] scales=f64[597] indices=i32[5x9] "
      "coefficients=f64[5x9] residualNorms=f64[5] counts=i32[5] rounding=1e-12 dependence=1e-12",
      "correlations=f64[3x33] gram=f64[33x33] squares=f64[33] energies=f64[3] indices=i32[3x33] "
      "coefficients=f64[3x33] residualNorms=f64[3] counts=i32[3] relTol=0.5 dependence=0.9",
      "correlations=f32[2x7] gram=f32[7x7] squares=f64[7] energies=f64[2] indices=i32[2x3] "
      "coefficients=f32[2x3] residualNorms=f32[2] counts=i32[2] tol=1e9",
      "correlations=f32[0x7] gram=f32[7x7] squares=f64[7] energies=f64[0] indices=i32[0x3] "
      "coefficients=f32[0x3] residualNorms=f32[0] counts=i32[0]"};
  // Their Gram matrix belongs to the atoms, which is more than an example can say.
  static constexpr const char* checked[] = {
      "correlations=f32[3x5] gram=f32[5x5] squares=f64[5] energies=f64[3] atoms=f32[5x7] "
      "signals=f32[3x7] indices=i32[3x2] coefficients=f32[3x2] residualNorms=f32[3] counts=i32[3]"};
  static constexpr const char* cases[] = {
      "correlations=f32[32x8000] gram=f32[8000x8000] squares=f64[8000] "
      "indices=i32[32x64] coefficients=f32[32x64] residualNorms=f32[32] counts=i32[32]"};
  View correlations, gram, squares, scales, energies, atoms, signals;
  View indices, coefficients, residuals, counts;
  PursuitLimits limits;

  double signal_count() const { return double(indices.shape[0]); }
  double steps() const { return double(indices.shape[1]); }
  double flops() const {
    const double k = steps(), n = double(correlations.shape[1]);
    return signal_count() * (n * k * (k - 1) + pursuit_algebra_flops(k));
  }
  double bytes() const {
    const double k = steps();
    return signal_count() * k * (k + 1) / 2 * double(correlations.shape[1]) *
           double(bytes_of(gram.dtype));
  }
  void fields(Fields& f) {
    f.in("correlations", correlations), f.in("gram", gram), f.in("squares", squares);
    f.in("scales", scales, kOptional), f.in("energies", energies, kOptional);
    f.in("atoms", atoms, kOptional), f.in("signals", signals, kOptional);
    f.out("indices", indices), f.out("coefficients", coefficients);
    f.out("residualNorms", residuals), f.out("counts", counts);
    limits.fields(f);
  }
  void check(auto require) const {
    for (auto& v : {correlations, gram, coefficients}) {
      require(is_f32_or_f64(v) && v.dtype == correlations.dtype, ErrorCode::kDtype,
              "correlations, gram and coefficients must be all f32 or all f64", v);
      require(v.rank == 2, ErrorCode::kShape,
              "correlations, gram and coefficients must be matrices", v);
    }
    const int64_t batch = correlations.shape[0], n = correlations.shape[1];
    require(n <= kMaxSide, ErrorCode::kShape, "correlations must have less than 2^31 columns",
            correlations);
    require(gram.shape[0] == n && gram.shape[1] == n, ErrorCode::kShape,
            "gram must have a row and a column an atom", gram, "correlations", correlations);
    require.array("squares must be f64 and have one element an atom", squares, Dtype::kF64, n);
    if (scales)
      require.array("scales must have the dtype of gram and one element an atom", scales,
                    gram.dtype, n);
    if (energies)
      require.array("energies must be f64 and have one element a signal", energies, Dtype::kF64,
                    batch);
    require(bool(atoms) == bool(signals), ErrorCode::kArgument,
            "atoms and signals come together or not at all");
    if (atoms) {
      for (auto& v : {atoms, signals}) {
        require(v.dtype == gram.dtype, ErrorCode::kDtype,
                "atoms and signals must have the dtype of gram", v);
        require(v.rank == 2, ErrorCode::kShape, "atoms and signals must be matrices", v);
      }
      require(bool(energies), ErrorCode::kArgument,
              "energies must be there with signals, got none");
      require(atoms.shape[0] == n, ErrorCode::kShape, "atoms must have a row an atom", atoms,
              "correlations", correlations);
      require(signals.shape[0] == batch && signals.shape[1] == atoms.shape[1], ErrorCode::kShape,
              "signals must have a row a signal, as long as an atom", signals, "correlations",
              correlations, "atoms", atoms);
    }
    require(indices.dtype == Dtype::kI32, ErrorCode::kDtype, "indices must be i32", indices);
    require(indices.rank == 2 && indices.shape[0] == batch, ErrorCode::kShape,
            "indices must have a row a signal", indices, "correlations", correlations);
    require(indices.shape[1] <= n, ErrorCode::kShape,
            "indices must not have more columns than atoms", indices, "atoms", atoms);
    require(same_shape(coefficients, indices), ErrorCode::kShape,
            "coefficients must have the shape of indices", coefficients, "indices", indices);
    require.array("residualNorms must have the dtype of gram and one element a signal", residuals,
                  gram.dtype, batch);
    require.array("counts must be i32 and have one element a signal", counts, Dtype::kI32, batch);
    limits.check(require);
  }
};

}  // namespace orthokit
