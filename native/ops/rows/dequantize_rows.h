#pragma once
#include "ops/rows/shared/codes.h"

namespace orthokit {

struct DequantizeRows {
  static constexpr const char *name = "dequantize_rows",
                              *summary = "rows of codes of 8 or 4 bits as numbers";
  static constexpr const char* about = R"(
  out = least + code · (largest − least) / (2^bits − 1) with the ranges of each row: what
  quantize_rows has stored, in the same order. A range of NaN gives a row of NaN.
  Numerics: in f64, rounded once.
  Traffic: one read of codes, one write of out.
  )";
  static constexpr const char* examples[] = {
      "codes=u8[33x43] ranges=f32[33x2] out=f32[33x43]",
      "codes=u8[33x22] ranges=f32[33x2] out=f32[33x43] bits=4",
      "codes=u8[3x5x32] ranges=f64[15x2] out=f64[3x5x64] bits=4",
      "codes=u8[7] ranges=f64[14] out=f64[7x1]",
      "codes=u8[2x4097] ranges=f32[2x2] out=f32[2x4097]"};
  static constexpr const char* cases[] = {
      "codes=u8[4096x1024] ranges=f32[4096x2] out=f32[4096x1024]",
      "codes=u8[4096x512] ranges=f32[4096x2] out=f32[4096x1024] bits=4"};
  View codes, ranges, out;
  int64_t bits = 8;

  double flops() const { return 2 * double(out.size()); }
  void fields(Fields& f) {
    f.in("codes", codes), f.in("ranges", ranges), f.out("out", out), f.value("bits", bits);
  }
  void check(auto require) const {
    check_codes(require, "out must be f32 or f64", "out must have an axis", out, codes, ranges,
                bits);
  }
};

}  // namespace orthokit
