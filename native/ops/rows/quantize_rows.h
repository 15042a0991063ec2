#pragma once
#include "ops/rows/shared/codes.h"

namespace orthokit {

struct QuantizeRows {
  static constexpr const char *name = "quantize_rows",
                              *summary = "rows as codes of 8 or 4 bits between their ends";
  static constexpr const char* about = R"(
  ranges = the least and the largest element of each row of x; codes = ⌊(x − least) / step + ½⌋ with
  step = (largest − least) / (2^bits − 1), 0 in a row of equal elements. With bits 4 a byte holds two
  neighbours of a row, the first in its high half; behind a row of odd length the low half is 0. A row
  that holds NaN or infinity has the range NaN, and codes 0. A guard that is not 0 leaves all.
  Numerics: in f64, so that codes are the same everywhere; a row that comes back is off by half a step.
  Traffic: two reads of x, from cache if rows are short; one write of codes.
  )";
  static constexpr const char* examples[] = {
      "x=f32[33x43] codes=u8[33x43] ranges=f32[33x2]",
      "x=f32[33x43] codes=u8[33x22] ranges=f32[33x2] bits=4",
      "x=f64[3x5x64] codes=u8[3x5x32] ranges=f64[15x2] bits=4 guard=f64[1]",
      "x=f64[7x1] codes=u8[7] ranges=f64[14]", "x=f32[2x4097] codes=u8[2x4097] ranges=f32[2x2]"};
  static constexpr const char* cases[] = {
      "x=f32[4096x1024] codes=u8[4096x1024] ranges=f32[4096x2]",
      "x=f32[4096x1024] codes=u8[4096x512] ranges=f32[4096x2] bits=4"};
  View x, codes, ranges, guard;
  int64_t bits = 8;

  double flops() const { return 6 * double(x.size()); }
  void fields(Fields& f) {
    f.in("x", x), f.inout("codes", codes), f.inout("ranges", ranges);
    f.in("guard", guard, kOptional), f.value("bits", bits);
  }
  double bytes() const { return double(bytes_in(x) + bytes_in(codes) + bytes_in(ranges)); }
  void check(auto require) const {
    check_codes(require, "x must be f32 or f64", "x must have an axis", x, codes, ranges, bits);
    if (guard) require.array("guard must be f64[1]", guard, Dtype::kF64, 1);
  }
};

}  // namespace orthokit
