#pragma once
#include "ops/quantized/shared/codebooks.h"
#include "ops/shared/rows.h"

namespace orthokit {

struct DecodeCodes {
  static constexpr const char *name = "decode_codes", *summary = "packed codes as their numbers";
  static constexpr const char* about = R"(
  out = the numbers that codes stand for, as assign_codes has packed them. A code that its codebook
  does not have, or a codebook that is not there, gives NaN.
  Numerics: bits are copied.
  Traffic: one read of codes, one write of out.
  )";
  static constexpr const char* examples[] = {
      "codes=u8[5x160] codebooks=f32[2x16] rowBooks=u8[5x2] out=f32[5x300] bits=4",
      "codes=u8[3x48] codebooks=f32[1x5] rowBooks=u8[3x2] out=f32[3x128] bits=3",
      "codes=u8[2x272] codebooks=f32[2x200] rowBooks=u8[2x2] out=f32[2x257] bits=8"};
  static constexpr const char* cases[] = {
      "codes=u8[4096x2048] codebooks=f32[2x16] rowBooks=u8[4096x2] out=f32[4096x4096] bits=4"};
  View codes, codebooks, row_books, out;
  int64_t bits = 4;

  double flops() const { return double(out.size()); }
  void fields(Fields& f) {
    f.in("codes", codes), f.in("codebooks", codebooks), f.in("rowBooks", row_books);
    f.out("out", out), f.value("bits", bits);
  }
  void check(auto require) const {
    require(out.dtype == Dtype::kF32, ErrorCode::kDtype, "out must be f32", out);
    require(out.rank == 2, ErrorCode::kShape, "out must be a matrix", out);
    check_coded(require, codes, codebooks, row_books, out.shape[1], bits);
    require(codes.shape[0] == out.shape[0], ErrorCode::kShape, "codes must have the rows of out",
            codes, "out", out);
  }
};

}  // namespace orthokit
