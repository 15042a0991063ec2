#pragma once
#include "ops/quantized/shared/grouped.h"

namespace orthokit {

struct DequantizeGroups {
  static constexpr const char *name = "dequantize_groups",
                              *summary = "packed codes in groups as numbers";
  static constexpr const char* about = R"(
  out = code · scale of its group, of codes as quantize_groups packs them; the least code,
  −2^(bits − 1), counts as any other. Padding is not read.
  Numerics: a product in f32, rounded to out's dtype.
  Traffic: one read of codes and scales, one write of out.
  )";
  static constexpr const char* examples[] = {
      "codes=u8[33x128] scales=f32[33x4] out=f32[33x256]",
      "codes=u8[5x32] scales=f32[5x6] out=f32[5x96] bits=2",
      "codes=u8[7x80] scales=f32[7x1] out=f64[7x192] bits=3",
      "codes=u8[3x144] scales=f32[3x2] out=bf16[3x130] bits=8",
      "codes=u8[9x32] scales=f32[9x43] out=f16[9x43]",
      "codes=u8[0x32] scales=f32[0x1] out=f32[0x64]"};
  static constexpr const char* cases[] = {
      "codes=u8[4096x2048] scales=f32[4096x64] out=f32[4096x4096]"};
  View codes, scales, out;
  int64_t bits = 4;

  double flops() const { return 2 * double(out.size()); }
  void fields(Fields& f) {
    f.in("codes", codes), f.in("scales", scales), f.out("out", out), f.value("bits", bits);
  }
  void check(auto require) const {
    check_bits(require, bits);
    require(out.rank == 2, ErrorCode::kShape, "out must be a matrix", out);
    require(is_floating(out), ErrorCode::kDtype, "out must be floating", out);
    check_grouped(require, codes, scales, bits, out.shape[0], out.shape[1]);
  }
};

}  // namespace orthokit
