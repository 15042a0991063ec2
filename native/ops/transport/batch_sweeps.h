#pragma once
#include "ops/transport/shared/transport.h"

namespace orthokit {

struct BatchSweeps {
  static constexpr const char *name = "batch_sweeps",
                              *summary = "Sinkhorn's iteration on a batch of problems";
  static constexpr const char* about = R"(
  Sweeps of Sinkhorn's iteration in the log domain (log_sweeps) on each matrix of a batch of costs,
  with its own masses and potentials, until the L1 error of the columns before an update is at most
  `tol`, or `maxSweeps` sweeps are done. Each problem stops by itself.
  statistics, a row a problem: [sweeps, L1 error of rows and columns of the plan of the last
  potentials, ⟨cost, P⟩, Σ P (f + g)].
  Numerics: in f64, sums in a fixed order; no exponential overflows. A mass of 0 gives a potential
  of −inf: problems of different sizes are filled up with such rows and columns. A row or column
  that no finite cost and potential reaches keeps its potential.
  Traffic: one read of the costs a sweep; a problem that fits a cache is read from memory once.
  )";
  static constexpr const char* examples[] = {
      "cost=f32[5x31x43] rowMass=f64[5x31] columnMass=f64[5x43] rowPotential=f64[5x31] "
      "columnPotential=f64[5x43] statistics=f64[5x4] maxSweeps=3",
      "cost=f64[2x3x300] rowMass=f64[2x3] columnMass=f64[2x300] rowPotential=f64[2x3] "
      "columnPotential=f64[2x300] statistics=f64[2x4] eps=0.5"};
  static constexpr const char* cases[] = {
      "cost=f64[256x64x64] rowMass=f64[256x64] columnMass=f64[256x64] "
      "rowPotential=f64[256x64] columnPotential=f64[256x64] statistics=f64[256x4] maxSweeps=10"};
  View cost, row_mass, column_mass, row_potential, column_potential, statistics;
  double eps = 1, tol = 0;
  int64_t count = 1;

  void fields(Fields& f) {
    f.in("cost", cost), f.in("rowMass", row_mass), f.in("columnMass", column_mass);
    f.inout("rowPotential", row_potential), f.inout("columnPotential", column_potential);
    f.out("statistics", statistics);
    f.value("eps", eps), f.value("tol", tol), f.value("maxSweeps", count);
  }
  // The sweeps, and the sums of what they lead to.
  double flops() const {
    return (kExpFlops + 6) * wide_flops(cost) * double(cost.size() * (count + 1));
  }
  double bytes() const { return double(bytes_in(cost)); }
  void check(auto require) const {
    require(cost.rank == 3, ErrorCode::kShape, "cost must be a batch of matrices", cost);
    require(is_f32_or_f64(cost), ErrorCode::kDtype, "cost must be f32 or f64", cost);
    const int64_t batch = cost.shape[0], n = cost.shape[1], m = cost.shape[2];
    require_rows(require, "rowMass must be f64 with a row a problem and a column a row of it",
                 row_mass, batch, n);
    require_rows(require, "columnMass must be f64 with a row a problem and a column a column of it",
                 column_mass, batch, m);
    require_rows(require, "rowPotential must be f64 with a row a problem and a column a row of it",
                 row_potential, batch, n);
    require_rows(require,
                 "columnPotential must be f64 with a row a problem and a column a column of it",
                 column_potential, batch, m);
    require_rows(require, "statistics must be f64 with a row of 4 a problem", statistics, batch, 4);
    require_eps(require, eps);
    require(tol >= 0, ErrorCode::kArgument, "tol must not be negative", tol);
    require(count >= 1 && count <= kMostSweeps, ErrorCode::kArgument,
            "maxSweeps must be 1 to 65536", double(count));
  }
  void require_rows(auto require, const char* what, const View& v, int64_t rows,
                    int64_t columns) const {
    require(v.dtype == Dtype::kF64, ErrorCode::kDtype, what, v);
    require(v.rank == 2 && v.shape[0] == rows && v.shape[1] == columns, ErrorCode::kShape, what, v,
            "cost", cost);
  }
};

}  // namespace orthokit
