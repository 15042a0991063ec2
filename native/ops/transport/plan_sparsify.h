#pragma once
#include "ops/transport/shared/transport.h"

namespace orthokit {

struct PlanSparsify {
  static constexpr const char *name = "plan_sparsify",
                              *summary = "large entries of a transport plan, in rows";
  static constexpr const char* about = R"(
  The large entries of the plan Pᵢⱼ = uᵢ Kᵢⱼ vⱼ in rows: those of row i stand at
  starts[i] … starts[i + 1] − 1 of columns and values, ascending by column.
  With `threshold` above 0: the entries that are at least it. Otherwise the threshold is the
  largest power of two, at most the largest entry, below which the entries sum to at most `delta`
  for certain: each counts as the power of two above it, and what lies below the power of two under
  delta / (4 n m) as that much. It is raised until the entries fit; the largest entry of each row
  and column is kept besides, the first one of equals.
  statistics = [how many entries there are, the threshold]. Where columns and values have no room
  for them, none is written and starts are 0.
  Numerics: entries in f64. What is not finite is not an entry.
  Source: the histogram threshold replaces the selection of arXiv 2401.12253, section 3.
  Traffic: two reads of the kernel, on CUDA a third one where no threshold is given. On the CPU one
  where none is given, and two more if a row or a column has no entry from the threshold on.
  )";
  static constexpr const char* examples[] = {
      "kernel=f32[597x43] rowScale=f64[597] columnScale=f64[43] starts=i32[598] "
      "columns=i32[30000] values=f64[30000] statistics=f64[2] threshold=0.5",
      "kernel=f64[3x4097] rowScale=f64[3] columnScale=f64[4097] starts=i32[4] "
      "columns=i32[12291] values=f64[12291] statistics=f64[2] delta=100",
      "kernel=f32[5x6151] rowScale=f64[5] columnScale=f64[6151] starts=i32[6] columns=i32[30755] "
      "values=f64[30755] statistics=f64[2] delta=1000"};
  static constexpr const char* cases[] = {
      "kernel=f64[2000x2000] rowScale=f64[2000] columnScale=f64[2000] starts=i32[2001] "
      "columns=i32[500000] values=f64[500000] statistics=f64[2] delta=1e5"};
  View kernel, row_scale, column_scale, starts, columns, values, statistics;
  double delta = 0, threshold = 0;

  void fields(Fields& f) {
    f.in("kernel", kernel), f.in("rowScale", row_scale), f.in("columnScale", column_scale);
    f.out("starts", starts), f.out("columns", columns), f.out("values", values);
    f.out("statistics", statistics), f.value("delta", delta), f.value("threshold", threshold);
  }
  double flops() const { return 4 * wide_flops(kernel) * double(kernel.size()); }
  double bytes() const { return 2 * double(bytes_in(kernel)) + double(bytes_in(values)) * 1.5; }
  void check(auto require) const {
    require_transport_matrix(require, "kernel must be a matrix", "kernel must be f32 or f64",
                             kernel);
    const int64_t n = kernel.shape[0], m = kernel.shape[1];
    require_vector(require, "rowScale must be f64 with one element a row", row_scale, n);
    require_vector(require, "columnScale must be f64 with one element a column", column_scale, m);
    require(n < (int64_t(1) << 31) && m < (int64_t(1) << 31), ErrorCode::kShape,
            "kernel must have fewer than 2^31 rows and columns", kernel);
    require.array("starts must be i32 with one element a row and one more", starts, Dtype::kI32,
                  n + 1);
    require(columns.dtype == Dtype::kI32, ErrorCode::kDtype, "columns must be i32", columns);
    require(columns.rank == 1 && columns.shape[0] < (int64_t(1) << 31), ErrorCode::kShape,
            "columns must have rank 1 and fewer than 2^31 elements", columns);
    require_vector(require, "values must be f64 with one element for each of columns", values,
                   columns.shape[0]);
    require.array("statistics must be f64[2]", statistics, Dtype::kF64, 2);
    require(delta >= 0, ErrorCode::kArgument, "delta must not be negative", delta);
    require(threshold >= 0, ErrorCode::kArgument, "threshold must not be negative", threshold);
  }
};

}  // namespace orthokit
