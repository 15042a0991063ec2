#pragma once
#include "ops/products/gemm.h"
#include "ops/pursuit/shared/pursuit.h"

namespace orthokit {

struct PursuitStep {
  static constexpr const char *name = "pursuit_step",
                              *summary =
                                  "one step of an orthogonal matching pursuit of each signal";
  static constexpr const char* about = R"(
  Step t = `step` of an orthogonal matching pursuit of each signal b without a Gram matrix. With
  the correlations p = D r (`correlations` of `residuals` and atoms), s (`scales`, or 1) and the
  atoms I of the steps before:
    j = argmax sⱼ |pⱼ| over j not in I, the lowest of equals;  I ← I + j
    L Lᵀ = D[I] D[I]ᵀ;  L z = D[I] y;  Lᵀ w = z;  r = y − D[I]ᵀ w
  Before the first step `residuals` holds y, `residualEnergies` |y|² and `counts` 0. A signal has
  ended whose count is not t, or whose |r|² is at most max(tol, relTol² |y|²): nothing of it is
  written. Dependent atoms, `rounding`, `energies` and `refinements` as in `gram_pursuit`. `state`
  is for the steps that follow: z, then L by rows with reciprocals on its diagonal, in all
  k + k (k + 1) / 2 elements, where k is the number of columns of `indices`.
  Numerics: all products, sums and the factor in f64; w and r rounded to the dtype. NaN is never
  the largest.
  Traffic: one read of the correlations, 3 t + 2 atoms a signal, and its state.
  )";
  static constexpr const char* examples[] = {
      "correlations=f32[31x65] atoms=f32[65x43] signals=f32[31x43] squares=f64[65] "
      "energies=f64[31] "
      "residuals=f32[31x43] residualEnergies=f64[31] indices=i32[31x5] coefficients=f32[31x5] "
      "state=f64[31x20] "
      "counts=i32[31] step=0",
      "correlations=f64[5x597] atoms=f64[597x33] signals=f64[5x33] squares=f64[597] "
      "scales=f64[597] "
      "energies=f64[5] residuals=f64[5x33] residualEnergies=f64[5] indices=i32[5x3] "
      "coefficients=f64[5x3] "
      "state=f64[5x9] counts=i32[5] step=0 refinements=0",
      "correlations=f32[0x7] atoms=f32[7x3] signals=f32[0x3] squares=f64[7] energies=f64[0] "
      "residuals=f32[0x3] residualEnergies=f64[0] indices=i32[0x2] coefficients=f32[0x2] "
      "state=f64[0x5] "
      "counts=i32[0] step=1"};
  static constexpr const char* cases[] = {
      "correlations=f32[64x8000] atoms=f32[8000x1024] signals=f32[64x1024] squares=f64[8000] "
      "energies=f64[64] residuals=f32[64x1024] residualEnergies=f64[64] indices=i32[64x64] "
      "coefficients=f32[64x64] "
      "state=f64[64x2144] counts=i32[64] step=0"};
  View correlations, atoms, signals, squares, scales, energies;
  View rests, left, indices, coefficients, state, counts;
  int64_t step = 0;
  PursuitLimits limits;

  double signal_count() const { return double(correlations.shape[0]); }
  double atoms_read() const { return double((3 + 2 * limits.refinements) * (step + 1)); }
  double flops() const {
    return signal_count() * (double(correlations.shape[1]) +
                             2 * wide_flops(correlations) * atoms_read() * double(atoms.shape[1]) +
                             3 * double(step + 1) * double(step + 1));
  }
  double bytes() const {
    const double width = double(bytes_of(atoms.dtype));
    return signal_count() *
           (width * (double(correlations.shape[1]) + (atoms_read() + 2) * double(atoms.shape[1])) +
            4 * double(step + 1) * double(step + 1));
  }
  void fields(Fields& f) {
    f.in("correlations", correlations), f.in("atoms", atoms), f.in("signals", signals);
    f.in("squares", squares), f.in("scales", scales, kOptional), f.in("energies", energies);
    f.inout("residuals", rests), f.inout("residualEnergies", left), f.inout("indices", indices);
    f.inout("coefficients", coefficients), f.inout("state", state), f.inout("counts", counts);
    f.value("step", step);
    limits.fields(f);
  }
  void check(auto require) const {
    for (auto& v : {correlations, atoms, signals, rests, coefficients}) {
      require(is_f32_or_f64(v) && v.dtype == atoms.dtype, ErrorCode::kDtype,
              "correlations, atoms, signals, residuals and coefficients must be all f32 or all f64",
              v);
      require(v.rank == 2, ErrorCode::kShape,
              "correlations, atoms, signals, residuals and coefficients must be matrices", v);
    }
    const int64_t batch = correlations.shape[0], n = correlations.shape[1];
    require(n <= kMaxSide, ErrorCode::kShape, "correlations must have less than 2^31 columns",
            correlations);
    require(atoms.shape[0] == n, ErrorCode::kShape, "atoms must have a row an atom", atoms,
            "correlations", correlations);
    require(signals.shape[0] == batch && signals.shape[1] == atoms.shape[1], ErrorCode::kShape,
            "signals must have a row a signal, as long as an atom", signals, "correlations",
            correlations, "atoms", atoms);
    require(same_shape(rests, signals), ErrorCode::kShape,
            "residuals must have the shape of signals", rests, "signals", signals);
    require.array("squares must be f64 and have one element an atom", squares, Dtype::kF64, n);
    if (scales)
      require.array("scales must have the dtype of atoms and one element an atom", scales,
                    atoms.dtype, n);
    require.array("energies must be f64 and have one element a signal", energies, Dtype::kF64,
                  batch);
    require.array("residualEnergies must be f64 and have one element a signal", left, Dtype::kF64,
                  batch);
    require(indices.dtype == Dtype::kI32, ErrorCode::kDtype, "indices must be i32", indices);
    require(indices.rank == 2 && indices.shape[0] == batch, ErrorCode::kShape,
            "indices must have a row a signal", indices, "correlations", correlations);
    const int64_t k = indices.shape[1];
    require(k <= n, ErrorCode::kShape, "indices must not have more columns than atoms", indices,
            "atoms", atoms);
    require(same_shape(coefficients, indices), ErrorCode::kShape,
            "coefficients must have the shape of indices", coefficients, "indices", indices);
    require(state.dtype == Dtype::kF64, ErrorCode::kDtype, "state must be f64", state);
    require(state.rank == 2 && state.shape[0] == batch && state.shape[1] == support_doubles(k),
            ErrorCode::kShape, "state must have a row a signal, of k (k + 1) / 2 + k elements",
            state, "indices", indices);
    require.array("counts must be i32 and have one element a signal", counts, Dtype::kI32, batch);
    require(step >= 0 && step < k, ErrorCode::kArgument,
            "step must be one of the columns of indices", double(step));
    limits.check(require);
  }
};

}  // namespace orthokit
