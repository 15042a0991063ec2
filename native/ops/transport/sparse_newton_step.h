#pragma once
#include "ops/transport/shared/transport.h"

namespace orthokit {

struct SparseNewtonStep {
  static constexpr const char *name = "sparse_newton_step",
                              *summary = "Newton step of entropic transport on a sparse plan";
  static constexpr const char* about = R"(
  A step of the semi-dual of entropic transport, by the sparse part P of the plan
  (arXiv 2401.12253), whose entries stand in rows as plan_sparsify writes them:
    (D − P C⁻¹ Pᵀ) d = g,  D = diag(s + shift · max(s, r)),  C = diag(c),  g = r − s,
  where r and c are the masses and s the exact row sums, by conjugate gradients with Jacobi's
  preconditioner, until the residual is `tol` times that of d = 0, the curvature is not positive,
  or `maxIterations` iterations are done; then the mean over the rows with mass is taken off.
  With rowRhs a and columnRhs b, it solves (D P; Pᵀ C) (d, e) = (a, b) for both sides instead, e
  going to columnStep: then g = a − P C⁻¹ b, and no mean is taken off.
  statistics = [iterations, the gain gᵀd − ½ dᵀ(diag(s) − P C⁻¹ Pᵀ) d of the model without shift,
  largest |d|, entries of P].
  Numerics: in f64, sums in a fixed order. Rows of mass 0 have no step. Entries whose column does
  not exist, and starts that are out of order, give a step of NaN; nothing outside the tensors is
  read.
  Traffic: two reads of P an iteration.
  )";
  static constexpr const char* examples[] = {
      "starts=i32[598] columns=i32[1791] values=f64[1791] rowMass=f64[597] rowSums=f64[597] "
      "columnMass=f64[43] step=f64[597] statistics=f64[4] shift=1e4 maxIterations=5",
      "starts=i32[32] columns=i32[93] values=f64[93] rowMass=f64[31] rowSums=f64[31] "
      "columnMass=f64[10] step=f64[31] statistics=f64[4] shift=1e3 tol=1e-3",
      "starts=i32[32] columns=i32[93] values=f64[93] rowMass=f64[31] rowSums=f64[31] "
      "columnMass=f64[10] rowRhs=f64[31] columnRhs=f64[10] step=f64[31] columnStep=f64[10] "
      "statistics=f64[4] shift=1e4 tol=1e-3",
      "starts=i32[2001] columns=i32[6003] values=f64[6003] rowMass=f64[2000] rowSums=f64[2000] "
      "columnMass=f64[1997] step=f64[2000] statistics=f64[4] shift=1e4 maxIterations=5"};
  static constexpr const char* cases[] = {
      "starts=i32[2001] columns=i32[6000] values=f64[6000] rowMass=f64[2000] rowSums=f64[2000] "
      "columnMass=f64[2000] step=f64[2000] statistics=f64[4] shift=1e4 tol=1e-12 maxIterations=50"};
  View starts, columns, values, row_mass, row_sums, column_mass, row_rhs, column_rhs;
  View step, column_step, statistics;
  double shift = 0, tol = 0.1;
  int64_t most = 400;

  void fields(Fields& f) {
    f.in("starts", starts), f.in("columns", columns), f.in("values", values);
    f.in("rowMass", row_mass), f.in("rowSums", row_sums), f.in("columnMass", column_mass);
    f.in("rowRhs", row_rhs, kOptional), f.in("columnRhs", column_rhs, kOptional);
    f.out("step", step), f.out("columnStep", column_step, kOptional);
    f.out("statistics", statistics);
    f.value("shift", shift), f.value("tol", tol), f.value("maxIterations", most);
  }
  double flops() const { return 4 * kWideFlops * double(values.size() * most); }
  double bytes() const { return 24 * double(values.size() * most); }
  void check(auto require) const {
    require(step.rank == 1 && step.dtype == Dtype::kF64, ErrorCode::kShape,
            "step must be an f64 vector", step);
    const int64_t n = step.shape[0];
    require.array("starts must be i32 with one element a row and one more", starts, Dtype::kI32,
                  n + 1);
    require(columns.dtype == Dtype::kI32, ErrorCode::kDtype, "columns must be i32", columns);
    require(columns.rank == 1 && columns.shape[0] < (int64_t(1) << 31), ErrorCode::kShape,
            "columns must have rank 1 and fewer than 2^31 elements", columns);
    require_vector(require, "values must be f64 with one element for each of columns", values,
                   columns.shape[0]);
    require_vector(require, "rowMass must be f64 with one element a row", row_mass, n);
    require_vector(require, "rowSums must be f64 with one element a row", row_sums, n);
    require(column_mass.rank == 1 && column_mass.dtype == Dtype::kF64 &&
                column_mass.shape[0] < (int64_t(1) << 31),
            ErrorCode::kShape, "columnMass must be an f64 vector", column_mass);
    require(bool(row_rhs) == bool(column_rhs) && bool(row_rhs) == bool(column_step),
            ErrorCode::kArgument, "rowRhs, columnRhs and columnStep go together");
    if (row_rhs) {
      require_vector(require, "rowRhs must be f64 with one element a row", row_rhs, n);
      require_vector(require, "columnRhs must be f64 with one element a column", column_rhs,
                     column_mass.shape[0]);
      require_vector(require, "columnStep must be f64 with one element a column", column_step,
                     column_mass.shape[0]);
    }
    require.array("statistics must be f64[4]", statistics, Dtype::kF64, 4);
    require(shift >= 0, ErrorCode::kArgument, "shift must not be negative", shift);
    require(tol >= 0, ErrorCode::kArgument, "tol must not be negative", tol);
    require(most >= 1 && most <= kMostSweeps, ErrorCode::kArgument,
            "maxIterations must be 1 to 65536", double(most));
  }
};

}  // namespace orthokit
