#pragma once
#include <limits>

#include "ops/network/shared/attention_heads.h"

namespace orthokit {

struct CachedAttention {
  static constexpr const char *name = "cached_attention",
                              *summary = "attention of new places to the last ones of a stream";
  static constexpr const char* about = R"(
  Attention (see attention) of places that follow those of a cache, for generation. Each stream has
  had positionsᵢ places, of which keys and values hold the last ones, as many as they have room for:
  place p lies in column p mod room of keys and row p mod room of values. The places of qkv come one
  after the other: its keys and values go into the cache, over those of the place that is too far
  back, and its queries see all that the cache then holds. So a query sees itself and the room − 1
  places before it. Where lengths are given, so many places of each stream are new, and queries
  behind them see what the last new one saw; one that sees no key gives 0. Into next, which may be
  positions, go the places that each stream has had then. Without out, places go into the cache alone.
  Positions below 0 count as 0.
  Numerics: in f32, or f64 where the operands are, rounded once to out's dtype; sums in the order of
  the cache. A NaN or an infinity in a key or a value that is seen leaves no finite number in what
  queries give, but an infinite key whose score is −∞ has weight 0 beside finite ones; what lies in
  the cache and has not been written since position 0 is not seen.
  Traffic: one read of the cache for each place, one write of the new places.
  )";
  static constexpr const char* examples[] = {
      "qkv=f32[3x1x96] positions=i32[3] keys=f32[3x4x8x64] values=f32[3x4x64x8] out=f32[3x1x32] "
      "heads=4 next=i32[3]",
      "qkv=f64[2x5x42] positions=i32[2] lengths=i32[2] keys=f64[2x1x7x3] values=f64[2x1x3x7] "
      "out=f64[2x5x28] heads=4 kvHeads=1 scale=0.5",
      "qkv=f32[2x9x60] positions=i32[2] keys=f32[2x1x20x33] values=f32[2x1x33x20] out=f32[2x9x20]",
      "qkv=f16[2x3x96] positions=i32[2] keys=f16[2x2x16x70] values=f16[2x2x70x16] out=f16[2x3x32] "
      "heads=2",
      "qkv=bf16[1x2x387] positions=i32[1] keys=bf16[1x1x129x597] values=bf16[1x1x597x129] "
      "out=bf16[1x2x129] next=i32[1]",
      "qkv=f32[3x40x30] positions=i32[3] lengths=i32[3] keys=f32[3x2x5x16] values=f32[3x2x16x5] "
      "heads=2 next=i32[3]"};
  static constexpr const char* cases[] = {
      "qkv=f32[64x1x384] positions=i32[64] keys=f32[64x4x32x64] values=f32[64x4x64x32] "
      "out=f32[64x1x128] heads=4",
      "qkv=f32[8x1x3072] positions=i32[8] keys=f32[8x16x64x1024] values=f32[8x16x1024x64] "
      "out=f32[8x1x1024] heads=16",
      "qkv=bf16[8x1x3072] positions=i32[8] keys=bf16[8x16x64x1024] values=bf16[8x16x1024x64] "
      "out=bf16[8x1x1024] heads=16"};
  View qkv, lengths, positions, keys, values, out, next;
  int64_t heads = 1, kv_heads = 0;
  double scale = 0;

  AttentionHeads places() const { return heads_of_places(*this, qkv, true); }
  int64_t room() const { return keys.shape[3]; }
  void fields(Fields& f) {
    f.in("qkv", qkv), f.in("lengths", lengths, kOptional), f.in("positions", positions);
    f.inout("keys", keys), f.inout("values", values), f.out("out", out, kOptional);
    f.out("next", next, kOptional | kMayAlias);
    f.value("heads", heads), f.value("kvHeads", kv_heads), f.value("scale", scale);
  }
  // Of rings that are full.
  double flops() const { return out ? 4 * double(out.size()) * double(room()) : 0; }
  double bytes() const {
    const double whole = out ? double(qkv.shape[1]) * double(bytes_in(keys) + bytes_in(values)) : 0;
    return whole + double(bytes_in(qkv) + bytes_in(out)) +
           2 * double(bytes_in(qkv)) * double(keys.shape[1]) / double(heads + 2 * keys.shape[1]);
  }
  void check(auto require) const {
    check_heads(*this, require);
    check_packed(*this, require);
    const AttentionHeads h = places();
    check_lengths(*this, require, h.batch);
    check_streams(require, positions, "positions must be i32",
                  "positions must have one element a stream");
    if (next)
      check_streams(require, next, "next must be i32", "next must have one element a stream");
    require(keys.dtype == qkv.dtype, ErrorCode::kDtype, "keys must have qkv's dtype", keys);
    require(values.dtype == qkv.dtype, ErrorCode::kDtype, "values must have qkv's dtype", values);
    require(has_axes(keys, h.size, keys.shape[3]) && keys.shape[3] >= 1, ErrorCode::kShape,
            "keys must be [streams, kvHeads, size, room]", keys, "qkv", qkv);
    require(has_axes(values, room(), h.size), ErrorCode::kShape,
            "values must be [streams, kvHeads, room, size]", values, "keys", keys);
    if (!out) return;
    require(out.dtype == qkv.dtype, ErrorCode::kDtype, "out must have qkv's dtype", out);
    require(out.rank == 3 && out.shape[0] == h.batch && out.shape[1] == h.queries &&
                out.shape[2] == h.width(),
            ErrorCode::kShape, "out must be [streams, places, heads size]", out, "qkv", qkv);
  }

 private:
  void check_streams(auto require, const View& v, const char* dtype, const char* shape) const {
    require(v.dtype == Dtype::kI32, ErrorCode::kDtype, dtype, v);
    require(v.rank == 1 && v.shape[0] == qkv.shape[0], ErrorCode::kShape, shape, v, "qkv", qkv);
  }
  bool has_axes(const View& v, int64_t rows, int64_t columns) const {
    const AttentionHeads h = places();
    return v.rank == 4 && v.shape[0] == h.batch && v.shape[1] == h.kv_heads && v.shape[2] == rows &&
           v.shape[3] == columns;
  }
};

// The new places of a stream, and what they find there: on every backend.
struct NewPlaces {
  int64_t begin, count;  // places before them; those of qkv that are new
  // Places that the cache holds once the i-th place of qkv has come.
  constexpr int64_t seen(int64_t i, int64_t room) const {
    return std::min(begin + std::min(i + 1, count), room);
  }
  constexpr int32_t end() const {
    return int32_t(std::min<int64_t>(begin + count, std::numeric_limits<int32_t>::max()));
  }
  constexpr int64_t slot(int64_t i, int64_t room) const { return (begin + i) % room; }
};
constexpr NewPlaces new_places(int32_t position, const int32_t* length, int64_t places) {
  return {std::max<int64_t>(position, 0), length ? counted_keys(*length, places) : places};
}

}  // namespace orthokit
