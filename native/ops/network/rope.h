#pragma once
#include "core/op.h"
#include "ops/shared/arithmetic.h"
#include "ops/shared/rows.h"

namespace orthokit {

enum class RopeLayout : int32_t { kHalves, kInterleaved };
inline Words words(RopeLayout) {
  static constexpr const char* list[] = {"halves", "interleaved"};
  return list;
}
enum class RopeTurn : int32_t { kForward, kBackward };
inline Words words(RopeTurn) {
  static constexpr const char* list[] = {"forward", "backward"};
  return list;
}

struct Rope {
  static constexpr const char *name = "rope",
                              *summary = "turns pairs of each head by angles of its position";
  static constexpr const char* about = R"(
  Rotary position embedding (Su et al. 2021, equation 34): x is [sequences…, places, heads · d], and
  in each of the first `turned` heads, all if it is 0, pair k of d / 2 of the row at place t turns
  by (t + offset + offsets[sequence]) · base^(−2k / d):
    (a, b) → (a cos − b sin, a sin + b cos); the others are copied.
  layout halves: pair k is elements k and k + d / 2 of the head; interleaved: 2k and 2k + 1. `turn`
  backward turns by the negative angle: the gradient. out may be x.
  Numerics: angles in f64, reduced to a turn; sines and cosines rounded to the dtype of the
  arithmetic, f32 for 16 bits: within 2.5 ulp of |a| + |b|, in f64 as an angle of t radians rounds.
  Traffic: one read, one write.
  )";
  static constexpr const char* examples[] = {
      "x=f32[7x33x48] out=f32[7x33x48] heads=3 offset=5",
      "x=f64[5x31x12] offsets=i32[5] out=f64[5x31x12] heads=2 layout=interleaved",
      "x=f32[3x5x24] out=f32[3x5x24] heads=6 turned=4 turn=backward base=500",
      "x=bf16[31x64] out=bf16[31x64] layout=interleaved"};
  static constexpr const char* cases[] = {
      "x=f32[12x64x128] out=f32[12x64x128] heads=4",
      "x=f32[8x1024x1024] out=f32[8x1024x1024] heads=16",
      "x=f32[8x1024x1024] out=f32[8x1024x1024] heads=16 layout=interleaved"};
  View x, offsets, out;
  int64_t heads = 1, turned = 0, offset = 0;
  double base = 10000;
  RopeLayout layout = RopeLayout::kHalves;
  RopeTurn turn = RopeTurn::kForward;

  int64_t places() const { return x.shape[x.rank - 2]; }
  int64_t width() const { return row_length(x) / heads; }  // of a head
  int64_t turned_heads() const { return turned == 0 ? heads : turned; }
  void fields(Fields& f) {
    f.in("x", x), f.in("offsets", offsets, kOptional), f.out("out", out, kMayAlias);
    f.value("heads", heads), f.value("turned", turned), f.value("offset", offset);
    f.value("base", base), f.value("layout", layout), f.value("turn", turn);
  }
  double flops() const { return 3 * double(x.size()); }
  void check(auto require) const {
    require(is_floating(x), ErrorCode::kDtype, "x must be floating", x);
    require(out.dtype == x.dtype, ErrorCode::kDtype, "out must have x's dtype", out);
    require(x.rank >= 2, ErrorCode::kShape, "x must have two axes", x);
    require(same_shape(out, x), ErrorCode::kShape, "out must have x's shape", out, "x", x);
    require(heads >= 1, ErrorCode::kArgument, "heads must be positive", double(heads));
    require(row_length(x) % heads == 0 && width() % 2 == 0, ErrorCode::kShape,
            "x must have an even number of elements a head", x);
    require(turned >= 0 && turned <= heads, ErrorCode::kArgument,
            "turned must be at most the number of heads", double(turned));
    require(base > 0, ErrorCode::kArgument, "base must be positive", base);
    if (!offsets) return;
    require(offsets.dtype == Dtype::kI32, ErrorCode::kDtype, "offsets must be i32", offsets);
    View sequences = x;
    sequences.rank = x.rank - 1;
    require(fits_rows(offsets, sequences), ErrorCode::kShape,
            "offsets must have one element a sequence of x", offsets, "x", x);
  }
};

}  // namespace orthokit
