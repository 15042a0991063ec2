#pragma once
#include "ops/products/gemm.h"
#include "ops/quantized/shared/codebooks.h"
#include "ops/shared/rows.h"

namespace orthokit {

struct CodebookGemm {
  static constexpr const char *name = "codebook_gemm",
                              *summary = "products with a matrix of codes and codebooks";
  static constexpr const char* about = R"(
  out = x · Wᵀ + beta · out + bias for W of decode_codes; out = x · W + … where `weight` is
  transposed, for what comes back through a layer. W is never in memory: a row or a tile of it is,
  in registers and the nearest cache. A code that its codebook does not have, or a codebook that is
  not there, gives NaN.
  Numerics: products and sums in f32; those of few rows of x in lanes, joined in f64. beta = 0 does
  not read out. The sums of one row of x and those of many may differ in their last bits.
  Traffic: one read of codes for up to three rows of x, each; one for all if there are more.
  )";
  static constexpr const char* examples[] = {
      "x=f32[1x300] codes=u8[33x160] codebooks=f32[2x16] rowBooks=u8[33x2] out=f32[1x33] bits=4",
      "x=f32[2x128] codes=u8[5x48] codebooks=f32[1x5] rowBooks=u8[5x2] bias=f32[5] out=f32[2x5] "
      "bits=3",
      "x=f32[1x300] codes=u8[9x80] codebooks=f32[1x4] rowBooks=u8[9x2] out=f32[1x9] bits=2 beta=1",
      "x=f32[33x300] codes=u8[70x160] codebooks=f32[2x16] rowBooks=u8[70x2] bias=f32[70] "
      "out=f32[33x70] bits=4 beta=0.5",
      "x=f32[1x257] codes=u8[3x272] codebooks=f32[2x200] rowBooks=u8[3x2] out=f32[1x3] bits=8",
      "x=f32[1x129] codes=u8[4x32] codebooks=f32[1x2] rowBooks=u8[4x2] out=f32[1x4] bits=1",
      "x=f32[1x150] codes=u8[4x112] codebooks=f32[1x27] rowBooks=u8[4x2] out=f32[1x4] bits=5",
      "x=f32[1x150] codes=u8[4x128] codebooks=f32[1x60] rowBooks=u8[4x2] out=f32[1x4] bits=6",
      "x=f32[1x150] codes=u8[4x144] codebooks=f32[1x100] rowBooks=u8[4x2] out=f32[1x4] bits=7",
      "x=f32[5x70] codes=u8[70x160] codebooks=f32[2x16] rowBooks=u8[70x2] out=f32[5x300] bits=4 "
      "weight=transposed",
      "x=f32[1x3] codes=u8[3x48] codebooks=f32[1x5] rowBooks=u8[3x2] bias=f32[128] out=f32[1x128] "
      "bits=3 weight=transposed beta=-1"};
  static constexpr const char* cases[] = {
      "x=f32[1x4096] codes=u8[4096x2048] codebooks=f32[2x16] rowBooks=u8[4096x2] out=f32[1x4096] "
      "bits=4",
      "x=f32[1x4096] codes=u8[4096x1536] codebooks=f32[2x8] rowBooks=u8[4096x2] out=f32[1x4096] "
      "bits=3",
      "x=f32[128x4096] codes=u8[4096x2048] codebooks=f32[2x16] rowBooks=u8[4096x2] "
      "out=f32[128x4096] bits=4"};
  View x, codes, codebooks, row_books, bias, out;
  int64_t bits = 4;
  Transpose weight = Transpose::kNone;
  double beta = 0;

  bool is_transposed() const { return weight == Transpose::kTransposed; }
  int64_t columns() const { return is_transposed() ? out.shape[1] : x.shape[1]; }
  double flops() const {
    return 2 * double(x.shape[0]) * double(x.shape[1]) * double(out.shape[1]);
  }
  void fields(Fields& f) {
    f.in("x", x), f.in("codes", codes), f.in("codebooks", codebooks), f.in("rowBooks", row_books);
    f.in("bias", bias, kOptional), f.inout("out", out);
    f.value("bits", bits), f.value("weight", weight), f.value("beta", beta);
  }
  void check(auto require) const {
    require(x.dtype == Dtype::kF32, ErrorCode::kDtype, "x must be f32", x);
    require(out.dtype == Dtype::kF32, ErrorCode::kDtype, "out must be f32", out);
    require(x.rank == 2, ErrorCode::kShape, "x must be a matrix", x);
    require(out.rank == 2 && out.shape[0] == x.shape[0], ErrorCode::kShape,
            "out must have the rows of x", out, "x", x);
    check_coded(require, codes, codebooks, row_books, columns(), bits);
    require(codes.shape[0] == (is_transposed() ? x : out).shape[1], ErrorCode::kShape,
            "codes must have a row a column of out, or of x where weight is transposed", codes, "x",
            x, "out", out);
    require(x.shape[0] <= kMaxSide && x.shape[1] <= kMaxSide && out.shape[1] <= kMaxSide,
            ErrorCode::kShape, "x and out must have at most 2^31 - 1 rows and columns", out);
    if (bias)
      require.array("bias must be f32 with a number a column of out", bias, Dtype::kF32,
                    out.shape[1]);
  }
};

}  // namespace orthokit
