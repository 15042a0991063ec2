#pragma once
#include "ops/quantized/shared/codebooks.h"
#include "ops/shared/rows.h"

namespace orthokit {

struct CodeSums {
  static constexpr const char *name = "code_sums",
                              *summary = "sums of numbers that have the same code";
  static constexpr const char* about = R"(
  sums[b, k] = beta · sums[b, k] + Σ xᵢⱼ over the rows i of codebook b and the columns j whose code
  is k; without x every term is 1, so that sums are counts. By it comes the gradient of codebooks
  from that of the matrix. What is `outside`: how many codes their codebook does not have.
  Numerics: in f64, along rows and then over rows, in their order; rounded once. beta = 0 does not
  read sums.
  Traffic: one read of x and of codes; rows × k partial sums besides.
  )";
  static constexpr const char* examples[] = {
      "codes=u8[5x160] rowBooks=u8[5x2] x=f32[5x300] sums=f32[2x16] bits=4 columns=300",
      "codes=u8[3x48] rowBooks=u8[3x2] sums=f64[1x5] outside=f64[1] bits=3 columns=128",
      "codes=u8[2x272] rowBooks=u8[2x2] x=f32[2x257] sums=f32[2x200] bits=8 columns=257 beta=1"};
  static constexpr const char* cases[] = {
      "codes=u8[4096x2048] rowBooks=u8[4096x2] x=f32[4096x4096] sums=f32[2x16] bits=4 "
      "columns=4096"};
  View codes, row_books, x, sums, outside;
  int64_t bits = 4, columns = 0;
  double beta = 0;

  double flops() const { return double(codes.shape[0]) * double(columns); }
  void fields(Fields& f) {
    f.in("codes", codes), f.in("rowBooks", row_books), f.in("x", x, kOptional);
    f.inout("sums", sums), f.out("outside", outside, kOptional);
    f.value("bits", bits), f.value("columns", columns), f.value("beta", beta);
  }
  void check(auto require) const {
    require(columns >= 0 && columns < (int64_t(1) << 40), ErrorCode::kArgument,
            "columns must not be negative", double(columns));
    check_codes(require, codes, row_books, columns, bits);
    require(is_f32_or_f64(sums), ErrorCode::kDtype, "sums must be f32 or f64", sums);
    require(sums.rank == 2 && sums.shape[0] >= 1 && sums.shape[1] >= 1, ErrorCode::kShape,
            "sums must be a matrix with elements", sums);
    require(sums.shape[1] <= int64_t(1) << bits, ErrorCode::kShape,
            "sums must have at most 2^bits columns", sums);
    if (x) {
      require(x.dtype == Dtype::kF32, ErrorCode::kDtype, "x must be f32", x);
      require(x.rank == 2 && x.shape[0] == codes.shape[0] && x.shape[1] == columns,
              ErrorCode::kShape, "x must have the rows of codes and all columns", x, "codes",
              codes);
    }
    if (outside) require.array("outside must be f64[1]", outside, Dtype::kF64, 1);
  }
};

}  // namespace orthokit
