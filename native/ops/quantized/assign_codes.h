#pragma once
#include "ops/quantized/shared/codebooks.h"
#include "ops/shared/rows.h"

namespace orthokit {

struct AssignCodes {
  static constexpr const char *name = "assign_codes",
                              *summary = "each number's nearest of a codebook, packed";
  static constexpr const char* about = R"(
  codes = for each element of x the place of the nearest number in the codebook of its row, packed
  into rows of `bits` a code (docs/design/packed-codes.md). The codebook of row i is row
  rowBooks[2i] + 256 · rowBooks[2i + 1] of codebooks. Codebooks need no order; of equal numbers the
  first place counts, and half way between two the smaller number does. NaN has the least number's
  code, and so has every element of a row whose codebook is not there or holds NaN alone: 0 then.
  Numerics: compared with (a + b) / 2 in f64, so that codes are the same everywhere.
  Traffic: one read of x, one write of codes.
  )";
  static constexpr const char* examples[] = {
      "x=f32[5x300] codebooks=f32[2x16] rowBooks=u8[5x2] codes=u8[5x160] bits=4",
      "x=f32[3x128] codebooks=f32[1x5] rowBooks=u8[3x2] codes=u8[3x48] bits=3",
      "x=f32[7x33] codebooks=f32[3x4] rowBooks=u8[7x2] codes=u8[7x16] bits=2",
      "x=f32[2x257] codebooks=f32[2x200] rowBooks=u8[2x2] codes=u8[2x272] bits=8",
      "x=f32[2x17] codebooks=f32[1x60] rowBooks=u8[2x2] codes=u8[2x32] bits=6",
      "x=f32[2x129] codebooks=f32[1x2] rowBooks=u8[2x2] codes=u8[2x32] bits=1"};
  static constexpr const char* cases[] = {
      "x=f32[4096x4096] codebooks=f32[2x16] rowBooks=u8[4096x2] codes=u8[4096x2048] bits=4",
      "x=f32[4096x4096] codebooks=f32[16x256] rowBooks=u8[4096x2] codes=u8[4096x4096] bits=8"};
  View x, codebooks, row_books, codes;
  int64_t bits = 4;

  double flops() const { return double(x.size()) * double(codebooks.shape[1]); }
  void fields(Fields& f) {
    f.in("x", x), f.in("codebooks", codebooks), f.in("rowBooks", row_books);
    f.out("codes", codes), f.value("bits", bits);
  }
  void check(auto require) const {
    require(x.dtype == Dtype::kF32, ErrorCode::kDtype, "x must be f32", x);
    require(x.rank == 2, ErrorCode::kShape, "x must be a matrix", x);
    check_coded(require, codes, codebooks, row_books, x.shape[1], bits);
    require(codes.shape[0] == x.shape[0], ErrorCode::kShape, "codes must have the rows of x", codes,
            "x", x);
  }
};

}  // namespace orthokit
