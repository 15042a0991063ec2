#pragma once
#include <limits>
#include <numbers>

#include "ops/network/shared/attention_heads.h"

namespace orthokit {

struct RetroactiveAttention {
  static constexpr const char *name = "retroactive_attention",
                              *summary = "attention of all places of a window that moves by one";
  static constexpr const char* about = R"(
  Attention (see attention, without a mask) among the last places of each stream, as many as queries,
  keys and values have room for, of which q, k and v are a new one. It takes the place of the oldest:
  place p lies in row p mod room, where positionsᵢ places came before; next, which may be positions,
  gets how many there are then. queries hold them times scale log₂ e; scale 0 stands for 1 / √size.
  Rows of older queries are not summed anew (Hedegaard et al., Continual Transformers, 2022): with
  wᵢⱼ = 2^(queriesᵢ·keysⱼ − mᵢ), aᵢ −= wᵢ,old values_old, aᵢ += wᵢ,new v, and so for dᵢ, the sum of
  wᵢⱼ. A row of sums is aᵢ, then mᵢ, dᵢ, the largest dᵢ since the row was summed, and the largest
  magnitude of an element of aᵢ since then. It is summed anew, with mᵢ the largest of its scores
  that are numbers, where the new score exceeds mᵢ by 20 log₂ e, where dᵢ falls below 2⁻⁶ of the
  largest, where all elements of aᵢ fall below 2⁻⁶ of their largest magnitude, where the row holds
  what is not finite, and where refresh is 1.
  outᵢ = aᵢ / dᵢ, if it is given, a column a place, the oldest first; columns of places that have not
  come are 0. recomputed, if it is given, gets how many rows of each head were summed anew.
  Positions below 0 count as 0.
  Numerics: in the operands' dtype. Each row is summed when it comes and goes after room steps, so
  that rounding does not grow with the length of the stream. A NaN or an infinity in a key or a value
  leaves with it: rows are summed anew as long as it is seen. So does a large finite value, but for
  elements of a head that lie below another of its elements by more than 2⁶: their rounding is that
  of the largest one.
  Traffic: one read of queries and of out's size, one read and write of sums; room times as many
  reads of keys and values for a row that is summed anew.
  )";
  static constexpr const char* examples[] = {
      "q=f32[3x32] k=f32[3x32] v=f32[3x32] positions=i32[3] queries=f32[3x4x16x8] "
      "keys=f32[3x4x16x8] values=f32[3x4x16x8] sums=f32[3x4x16x12] out=f32[3x32x16] heads=4 "
      "refresh=1 next=i32[3] recomputed=i32[3x4]",
      "q=f64[2x6] k=f64[2x6] v=f64[2x6] positions=i32[2] queries=f64[2x2x7x3] keys=f64[2x2x7x3] "
      "values=f64[2x2x7x3] sums=f64[2x2x7x7] out=f64[2x6x7] heads=2 scale=0.5 refresh=1",
      "q=f64[1x33] k=f64[1x33] v=f64[1x33] positions=i32[1] queries=f64[1x1x5x33] "
      "keys=f64[1x1x5x33] values=f64[1x1x5x33] sums=f64[1x1x5x37] out=f64[1x33x5]",
      "q=f32[2x64] k=f32[2x64] v=f32[2x64] positions=i32[2] queries=f32[2x2x9x32] "
      "keys=f32[2x2x9x32] values=f32[2x2x9x32] sums=f32[2x2x9x36] out=f32[2x64x9] heads=2 "
      "next=i32[2]",
      "q=f32[1x129] k=f32[1x129] v=f32[1x129] positions=i32[1] queries=f32[1x1x1x129] "
      "keys=f32[1x1x1x129] values=f32[1x1x1x129] sums=f32[1x1x1x133] out=f32[1x129x1]"};
  static constexpr const char* cases[] = {
      "q=f32[64x256] k=f32[64x256] v=f32[64x256] positions=i32[64] queries=f32[64x4x64x64] "
      "keys=f32[64x4x64x64] values=f32[64x4x64x64] sums=f32[64x4x64x68] out=f32[64x256x64] "
      "heads=4"};
  // Numbers of a row of sums behind its elements: its offset, its sum of weights, the largest one,
  // and the largest magnitude of an element.
  static constexpr int kNumbers = 4;
  // 20 log₂ e, and 2⁻⁶: measured, to a drift below 5e-3 of f32 at scores with a deviation of 64.
  static constexpr double kMostAbove = 28.853900817779268, kLeastShare = 1.0 / 64;
  View q, k, v, positions, queries, keys, values, sums, out, next, recomputed;
  int64_t heads = 1, refresh = 0;
  double scale = 0;

  int64_t streams() const { return q.shape[0]; }
  int64_t room() const { return queries.shape[2]; }
  int64_t size() const { return q.shape[1] / heads; }
  double factor() const {  // of queries
    return (scale != 0 ? scale : 1 / std::sqrt(double(size()))) * std::numbers::log2e;
  }
  void fields(Fields& f) {
    f.in("q", q), f.in("k", k), f.in("v", v), f.in("positions", positions);
    f.inout("queries", queries), f.inout("keys", keys), f.inout("values", values);
    f.inout("sums", sums), f.out("out", out, kOptional), f.out("next", next, kOptional | kMayAlias);
    f.out("recomputed", recomputed, kOptional);
    f.value("heads", heads), f.value("refresh", refresh), f.value("scale", scale);
  }
  // Of windows that are full and no row but the new one summed anew.
  double flops() const { return 13 * double(q.size()) * double(room()); }
  double bytes() const {
    return double(bytes_in(queries) + bytes_in(keys) + bytes_in(values) + bytes_in(out)) +
           2 * double(bytes_in(sums)) + 6 * double(bytes_in(q));
  }
  void check(auto require) const {
    require(heads >= 1, ErrorCode::kArgument, "heads must be at least 1", double(heads));
    require(refresh == 0 || refresh == 1, ErrorCode::kArgument, "refresh must be 0 or 1",
            double(refresh));
    require(std::isfinite(scale), ErrorCode::kArgument, "scale must be finite", scale);
    require(is_f32_or_f64(q), ErrorCode::kDtype, "q must be f32 or f64", q);
    require(q.rank == 2 && q.shape[1] > 0 && q.shape[1] % heads == 0, ErrorCode::kShape,
            "q must be [streams, heads size]", q);
    require(size() <= kMostHeadSize, ErrorCode::kShape, "q must have heads of at most 256 elements",
            q);
    same_as_q(require, k, "k must have q's dtype", "k must have q's shape");
    same_as_q(require, v, "v must have q's dtype", "v must have q's shape");
    require(queries.dtype == q.dtype, ErrorCode::kDtype, "queries must have q's dtype", queries);
    require(has_rows(queries, queries.rank == 4 ? queries.shape[2] : 0, size()) && room() >= 1,
            ErrorCode::kShape, "queries must be [streams, heads, room, size]", queries, "q", q);
    for (auto& window : {keys, values}) {
      require(window.dtype == q.dtype, ErrorCode::kDtype, "keys and values must have q's dtype",
              window);
      require(same_shape(window, queries), ErrorCode::kShape,
              "keys and values must have queries' shape", window, "queries", queries);
    }
    require(sums.dtype == q.dtype, ErrorCode::kDtype, "sums must have q's dtype", sums);
    require(has_rows(sums, room(), size() + kNumbers), ErrorCode::kShape,
            "sums must be [streams, heads, room, size + 4]", sums, "queries", queries);
    counts(require, positions, "positions must be i32", "positions must have one element a stream");
    if (next) counts(require, next, "next must be i32", "next must have one element a stream");
    if (recomputed) {
      require(recomputed.dtype == Dtype::kI32, ErrorCode::kDtype, "recomputed must be i32",
              recomputed);
      require(
          recomputed.rank == 2 && recomputed.shape[0] == streams() && recomputed.shape[1] == heads,
          ErrorCode::kShape, "recomputed must be [streams, heads]", recomputed);
    }
    if (!out) return;
    require(out.dtype == q.dtype, ErrorCode::kDtype, "out must have q's dtype", out);
    require(out.rank == 3 && out.shape[0] == streams() && out.shape[1] == q.shape[1] &&
                out.shape[2] == room(),
            ErrorCode::kShape, "out must be [streams, heads size, room]", out, "queries", queries);
  }

 private:
  void same_as_q(auto require, const View& x, const char* dtype, const char* shape) const {
    require(x.dtype == q.dtype, ErrorCode::kDtype, dtype, x);
    require(same_shape(x, q), ErrorCode::kShape, shape, x, "q", q);
  }
  void counts(auto require, const View& x, const char* dtype, const char* shape) const {
    require(x.dtype == Dtype::kI32, ErrorCode::kDtype, dtype, x);
    require(x.rank == 1 && x.shape[0] == streams(), ErrorCode::kShape, shape, x, "q", q);
  }
  bool has_rows(const View& x, int64_t rows, int64_t columns) const {
    return x.rank == 4 && x.shape[0] == streams() && x.shape[1] == heads && x.shape[2] == rows &&
           x.shape[3] == columns;
  }
};

// The window of a stream, before and with its new place: on every backend.
struct MovingWindow {
  int64_t before, room;
  constexpr MovingWindow(int32_t position, int64_t rows)
      : before(std::max<int64_t>(position, 0)), room(rows) {}
  constexpr int64_t slot() const { return before % room; }
  constexpr bool is_full() const { return before >= room; }  // so that a place goes
  constexpr int64_t seen() const { return is_full() ? room : before + 1; }
  // The column of a row, by age; of windows that are not full rows lie in the order of places.
  constexpr int64_t column(int64_t row) const {
    return is_full() ? (row - slot() - 1 + room) % room : row;
  }
  constexpr int32_t end() const {
    return int32_t(std::min<int64_t>(before + 1, std::numeric_limits<int32_t>::max()));
  }
};

}  // namespace orthokit
