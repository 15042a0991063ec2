#pragma once
#include "core/op.h"

namespace orthokit {

enum class RowLengths : int32_t { kOwn, kUnit };
inline Words words(RowLengths) {
  static constexpr const char* list[] = {"own", "unit"};
  return list;
}
enum class QueryShift : int32_t { kNone, kMeans };
inline Words words(QueryShift) {
  static constexpr const char* list[] = {"none", "means"};
  return list;
}

struct TaskFeatures {
  static constexpr const char *name = "task_features",
                              *summary = "rows of tasks, centred, of unit length, queries shifted";
  static constexpr const char* about = R"(
  Rows of tasks [tasks, rows, d], those of `support` before those of `query`, of which support may be
  left out: x = v − mean, without a mean v; by the word `lengths` 'unit' divided by its length; by the
  word `shift` 'means' the queries moved by the mean of the support less their own. Of 'own' lengths
  all rows are given about `center`, the mean of the task's first kind of rows, which else is 0: the
  row itself is x + center. `norms` are the lengths of v − mean before all that.
  Numerics: norms and means in f64, norms of f64 at any size of the elements; differences in the dtype
  of x. A row without a length stays 0 and has the norm 0; NaN and infinity stay in their task.
  Traffic: one read of the rows, two writes of x and a read.
  )";
  static constexpr const char* examples[] = {
      "support=f32[3x5x17] query=f32[3x31x17] mean=f32[17] x=f32[3x36x17] norms=f64[3x36] "
      "center=f64[3x17] lengths=unit shift=means",
      "support=f64[2x3x5] query=f64[2x7x5] x=f64[2x10x5] norms=f64[2x10] center=f64[2x5] "
      "shift=means",
      "query=bf16[1x43x33] x=f32[1x43x33] norms=f64[1x43] center=f64[1x33]",
      "query=f16[1x43x33] x=f64[1x43x33] norms=f64[1x43] center=f64[1x33] lengths=unit"};
  static constexpr const char* cases[] = {
      "support=f32[600x5x512] query=f32[600x75x512] mean=f32[512] x=f32[600x80x512] "
      "norms=f64[600x80] center=f64[600x512] lengths=unit shift=means"};
  View support, query, mean, x, norms, center;
  RowLengths lengths = RowLengths::kOwn;
  QueryShift shift = QueryShift::kNone;

  int64_t tasks() const { return query.shape[0]; }
  int64_t supports() const { return support ? support.shape[1] : 0; }
  int64_t rows() const { return supports() + query.shape[1]; }
  int64_t columns() const { return query.shape[2]; }
  void fields(Fields& f) {
    f.in("support", support, kOptional), f.in("query", query), f.in("mean", mean, kOptional);
    f.out("x", x), f.out("norms", norms), f.out("center", center);
    f.value("lengths", lengths), f.value("shift", shift);
  }
  double flops() const { return 8 * double(x.size()); }
  double bytes() const {
    return double(bytes_in(support) + bytes_in(query)) + 3 * double(bytes_in(x));
  }
  void check(auto require) const {
    require(is_floating(query), ErrorCode::kDtype, "query must be floating", query);
    require(query.rank == 3, ErrorCode::kShape, "query must be tasks of rows", query);
    if (support) {
      require(support.dtype == query.dtype, ErrorCode::kDtype, "support must have query's dtype",
              support);
      require(support.rank == 3 && support.shape[0] == tasks() && support.shape[2] == columns(),
              ErrorCode::kShape, "support must have the tasks and columns of query", support,
              "query", query);
    }
    if (mean) {
      require(mean.dtype == query.dtype, ErrorCode::kDtype, "mean must have query's dtype", mean);
      require(mean.rank == 1 && mean.shape[0] == columns(), ErrorCode::kShape,
              "mean must have one element a column of query", mean, "query", query);
    }
    require(x.dtype == Dtype::kF64 || (x.dtype == Dtype::kF32 && query.dtype != Dtype::kF64),
            ErrorCode::kDtype, "x must be f64, or f32 where query is not f64", x);
    for (auto& v : {norms, center})
      require(v.dtype == Dtype::kF64, ErrorCode::kDtype, "norms and center must be f64", v);
    require(x.rank == 3 && x.shape[0] == tasks() && x.shape[1] == rows() && x.shape[2] == columns(),
            ErrorCode::kShape, "x must have the rows of support and query", x, "query", query);
    require(norms.rank == 2 && norms.shape[0] == tasks() && norms.shape[1] == rows(),
            ErrorCode::kShape, "norms must have one element a row of x", norms, "x", x);
    require(center.rank == 2 && center.shape[0] == tasks() && center.shape[1] == columns(),
            ErrorCode::kShape, "center must have a row a task", center, "x", x);
    require(support || shift == QueryShift::kNone, ErrorCode::kArgument,
            "support is missing for a shift");
  }
};

}  // namespace orthokit
