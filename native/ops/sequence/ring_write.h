#pragma once
#include "core/op.h"

namespace orthokit {

struct RingWrite {
  static constexpr const char *name = "ring_write",
                              *summary = "ring[:, slot] = x, and what stood there before";
  static constexpr const char* about = R"(
  oldᵢ = ringᵢ,slot, if it is given, and then ringᵢ,slot = xᵢ, for each stream i: the last inputs of
  many streams, where a new one takes the place of the oldest and none moves.
  Numerics: bits are copied.
  Traffic: one read and one write of x, and as much for old.
  )";
  static constexpr const char* examples[] = {
      "ring=f32[31x5x43] x=f32[31x43] slot=4", "ring=f64[1x1x597] x=f64[1x597] old=f64[1x597]",
      "ring=bf16[33x7x64] x=bf16[33x64] old=bf16[33x64] slot=3",
      "ring=u8[5x3x31] x=u8[5x31] slot=1", "ring=f32[0x3x5] x=f32[0x5]"};
  static constexpr const char* cases[] = {
      "ring=f32[1024x32x256] x=f32[1024x256] slot=7",
      "ring=f32[1024x32x256] x=f32[1024x256] old=f32[1024x256] slot=7"};
  View ring, x, old;
  int64_t slot = 0;

  double bytes() const { return 2 * double(bytes_in(x) + bytes_in(old)); }
  void fields(Fields& f) {
    f.inout("ring", ring), f.in("x", x), f.out("old", old, kOptional);
    f.value("slot", slot);
  }
  void check(auto require) const {
    require(ring.rank == 3, ErrorCode::kShape, "ring must be [streams, slots, size]", ring);
    require(x.dtype == ring.dtype, ErrorCode::kDtype, "x must have ring's dtype", x);
    require(is_slot(x), ErrorCode::kShape, "x must be a slot of ring", x, "ring", ring);
    require(slot >= 0 && slot < ring.shape[1], ErrorCode::kArgument, "slot must be one of ring's",
            double(slot));
    if (!old) return;
    require(old.dtype == ring.dtype, ErrorCode::kDtype, "old must have ring's dtype", old);
    require(is_slot(old), ErrorCode::kShape, "old must be a slot of ring", old, "ring", ring);
  }

 private:
  bool is_slot(const View& v) const {
    return v.rank == 2 && v.shape[0] == ring.shape[0] && v.shape[1] == ring.shape[2];
  }
};

}  // namespace orthokit
