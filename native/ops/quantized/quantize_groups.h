#pragma once
#include "ops/quantized/shared/grouped.h"

namespace orthokit {

struct QuantizeGroups {
  static constexpr const char *name = "quantize_groups",
                              *summary = "rows as packed codes of 2, 3, 4 or 8 bits in groups";
  static constexpr const char* about = R"(
  Of each group of equally many neighbours in a row of x: scale = max |x| / L with
  L = 2^(bits − 1) − 1, rounded to f32, and codes = x / scale rounded to nearest, halves to even,
  within −L … L. Codes are packed as docs/design/packed-codes.md says, of two's complement, with 0 in
  what is padding. A group of zeros has the scale 0 and codes 0, as has one whose scale f32 holds as
  0; one with NaN or infinity, or beyond f32, the scale NaN and codes 0.
  Numerics: in f64, so that codes are the same everywhere; a number comes back within half a scale.
  Traffic: two reads of x, from cache if groups are short; one write of codes and scales.
  )";
  static constexpr const char* examples[] = {"x=f32[33x256] codes=u8[33x128] scales=f32[33x4]",
                                             "x=f32[5x96] codes=u8[5x32] scales=f32[5x6] bits=2",
                                             "x=f64[7x192] codes=u8[7x80] scales=f32[7x1] bits=3",
                                             "x=bf16[3x130] codes=u8[3x144] scales=f32[3x2] bits=8",
                                             "x=f16[9x43] codes=u8[9x32] scales=f32[9x43]",
                                             "x=f32[0x64] codes=u8[0x32] scales=f32[0x1]"};
  static constexpr const char* cases[] = {
      "x=f32[4096x4096] codes=u8[4096x2048] scales=f32[4096x64]",
      "x=f32[4096x4096] codes=u8[4096x1536] scales=f32[4096x64] bits=3"};
  View x, codes, scales;
  int64_t bits = 4;

  double flops() const { return 4 * double(x.size()); }
  void fields(Fields& f) {
    f.in("x", x), f.out("codes", codes), f.out("scales", scales), f.value("bits", bits);
  }
  void check(auto require) const {
    check_bits(require, bits);
    require(x.rank == 2, ErrorCode::kShape, "x must be a matrix", x);
    require(is_floating(x), ErrorCode::kDtype, "x must be floating", x);
    check_grouped(require, codes, scales, bits, x.shape[0], x.shape[1]);
  }
};

}  // namespace orthokit
