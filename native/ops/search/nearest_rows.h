#pragma once
#include "core/op.h"
#include "ops/shared/rows.h"

namespace orthokit {

enum class Nearness : int32_t { kDot, kCosine, kL2 };
inline Words words(Nearness) {
  static constexpr const char* list[] = {"dot", "cosine", "l2"};
  return list;
}

struct NearestRows {
  static constexpr const char *name = "nearest_rows",
                              *summary = "the k rows of a table that are nearest to each query";
  static constexpr const char* about = R"(
  index = the k rows with the largest qᵀx (dot) or qᵀx / (‖q‖ ‖x‖) (cosine), or the least ‖q − x‖²
  (l2), the nearest first, where k is the number of index' columns; scores = these numbers. Of equal
  ones the lower row comes first. Where it is NaN, as the cosine of a row of zeros is, a row comes
  last.
  A row of f32 or f16 is itself. Rows of u8 are codes as quantize_rows writes them, with their ranges;
  `residuals` with their ranges, if given, are codes of what these leave, and a row is the sum of both.
  Numerics: exact. Rows are scored in f32, and those that its rounding, or residuals, may have kept
  from the first k once more in f64, whose order counts. How many that are, the data say: k times
  the logarithm of the rows, and more where many are about as near as the k-th.
  Traffic: one read of rows, or codes, for every few dozen queries; residuals of few rows. Memory
  beside it grows with queries · k, never with queries · rows.
  )";
  static constexpr const char* examples[] = {
      "queries=f32[5x31] rows=f32[597x31] index=i32[5x7] scores=f64[5x7]",
      "queries=f32[67x33] rows=f16[1031x33] index=i32[67x10] scores=f64[67x10] metric=cosine",
      "queries=f32[1x8] rows=f32[4097x8] index=i32[1x3] scores=f64[1x3] metric=l2",
      "queries=f32[3x16] rows=u8[331x16] ranges=f32[331x2] index=i32[3x4] scores=f64[3x4]",
      "queries=f32[18x16] rows=u8[331x16] ranges=f32[331x2] residuals=u8[331x16] "
      "residualRanges=f32[331x2] index=i32[18x4] scores=f64[18x4] metric=l2",
      "queries=f32[2x600] rows=f32[33x600] index=i32[2x33] scores=f64[2x33] metric=cosine"};
  static constexpr const char* cases[] = {
      "queries=f32[64x128] rows=f32[262144x128] index=i32[64x10] scores=f64[64x10] metric=l2",
      "queries=f32[64x128] rows=f16[262144x128] index=i32[64x10] scores=f64[64x10] metric=cosine",
      "queries=f32[1x128] rows=f32[262144x128] index=i32[1x10] scores=f64[1x10] metric=cosine"};
  View queries, rows, ranges, residuals, residual_ranges, index, scores;
  Nearness metric = Nearness::kDot;

  int64_t count() const { return index.shape[1]; }
  void fields(Fields& f) {
    f.in("queries", queries), f.in("rows", rows), f.in("ranges", ranges, kOptional);
    f.in("residuals", residuals, kOptional), f.in("residualRanges", residual_ranges, kOptional);
    f.out("index", index), f.out("scores", scores), f.value("metric", metric);
  }
  double flops() const { return 2 * double(queries.size()) * double(rows.shape[0]); }
  double bytes() const {
    const double results = double(bytes_in(index) + bytes_in(scores));
    return double(bytes_in(queries) + bytes_in(rows) + bytes_in(ranges)) + results;
  }
  void check(auto require) const {
    require(queries.dtype == Dtype::kF32, ErrorCode::kDtype, "queries must be f32", queries);
    require(queries.rank == 2, ErrorCode::kShape, "queries must be a matrix", queries);
    require(rows.dtype == Dtype::kF32 || rows.dtype == Dtype::kF16 || rows.dtype == Dtype::kU8,
            ErrorCode::kDtype, "rows must be f32, f16 or u8", rows);
    require(rows.rank == 2 && rows.shape[1] == queries.shape[1], ErrorCode::kShape,
            "rows must be a matrix with as many columns as queries", rows, "queries", queries);
    require(index.dtype == Dtype::kI32, ErrorCode::kDtype, "index must be i32", index);
    require(index.rank == 2 && index.shape[0] == queries.shape[0], ErrorCode::kShape,
            "index must have a row a query", index, "queries", queries);
    require(index.shape[1] <= rows.shape[0], ErrorCode::kShape,
            "index must have at most as many columns as there are rows", index, "rows", rows);
    require(rows.shape[0] <= 0x7fffffff, ErrorCode::kShape, "rows must be at most 2147483647",
            rows);
    require(scores.dtype == Dtype::kF64, ErrorCode::kDtype, "scores must be f64", scores);
    require(same_shape(scores, index), ErrorCode::kShape, "scores must have the shape of index",
            scores, "index", index);
    const bool coded = rows.dtype == Dtype::kU8;
    require(bool(ranges) == coded, ErrorCode::kArgument,
            "ranges must be given for rows that are codes, and only there", rows);
    require(!residuals || coded, ErrorCode::kArgument, "residuals must be of rows that are codes",
            rows);
    require(bool(residual_ranges) == bool(residuals), ErrorCode::kArgument,
            "residualRanges must be given with residuals, and only there", rows);
    const int64_t two = 2 * rows.shape[0];
    if (ranges)
      require.array("ranges must be f32 with two elements a row", ranges, Dtype::kF32, two);
    if (residuals) {
      require(residuals.dtype == Dtype::kU8, ErrorCode::kDtype, "residuals must be u8", residuals);
      require(same_shape(residuals, rows), ErrorCode::kShape,
              "residuals must have the shape of rows", residuals, "rows", rows);
      require.array("residualRanges must be f32 with two elements a row", residual_ranges,
                    Dtype::kF32, two);
    }
  }
};

}  // namespace orthokit
