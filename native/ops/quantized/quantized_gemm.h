#pragma once
#include "ops/products/gemm.h"
#include "ops/quantized/shared/grouped.h"

namespace orthokit {

// The numbers that a is multiplied by: its own, or they rounded to 8 bits.
enum class Activations : int32_t { kF32, kI8 };
inline Words words(Activations) {
  static constexpr const char* list[] = {"f32", "i8"};
  return list;
}

struct QuantizedGemm {
  static constexpr const char *name = "quantized_gemm",
                              *summary = "c = a op(w) + beta c + bias, w of packed codes in groups";
  static constexpr const char* about = R"(
  w is what dequantize_groups makes of codes and scales: op(w) = wᵀ for transB 'transposed', the
  forward pass of a linear layer, and w for 'none', its way back. cᵢⱼ = (a · op(w))ᵢⱼ + beta · cᵢⱼ +
  biasⱼ. Codes are unpacked in registers or in tiles that stay in a cache; w is never in memory.
  Numerics: products and sums in f32. Of few rows of a, a sum of codes times numbers in each group,
  times its scale; of many, the numbers code · scale are rounded first. So bits depend on how many rows
  a has, but neither on the number of threads nor on the other rows. beta = 0 does not read c.
  activations = 'i8', for transB 'transposed' alone, rounds a first: in each row and group of w to
  level · s, with s = max |a| / 127 and level = a / s rounded to nearest, halves to even, −127 … 127.
  NaN and infinity make the product NaN, and a group whose s is 0 counts as zeros. Of few rows on a
  CPU, and of up to 128 of 4 bits (AVX-512: and of 8), whole blocks of 128 codes are multiplied as
  integers, exactly, in groups of 128 n (AVX2) or of 64 and 128 n (AVX-512 with VNNI); elsewhere the
  numbers level · s are multiplied like those of 'f32': the same product but for rounding, and no
  faster.
  Traffic: one read of codes, scales and a, one write of c.
  )";
  static constexpr const char* examples[] = {
      "a=f32[1x256] codes=u8[33x128] scales=f32[33x4] c=f32[1x33] transB=transposed",
      "a=f32[2x512] codes=u8[17x256] scales=f32[17x16] c=f32[2x17] bias=f32[17] transB=transposed",
      "a=f32[4x384] codes=u8[9x144] scales=f32[9x3] c=f32[4x9] bits=3 beta=1 transB=transposed",
      "a=f32[3x192] codes=u8[31x48] scales=f32[31x3] c=f32[3x31] bits=2 transB=transposed",
      "a=f32[1x130] codes=u8[43x144] scales=f32[43x2] c=f32[1x43] bits=8 transB=transposed",
      "a=f32[1x128] codes=u8[6x128] scales=f32[6x4] c=f32[1x6] bits=8 transB=transposed",
      "a=f32[5x96] codes=u8[7x48] scales=f32[7x6] c=f32[5x7] transB=transposed",
      "a=f32[67x640] codes=u8[101x320] scales=f32[101x5] c=f32[67x101] bias=f32[101] "
      "transB=transposed",
      "a=f32[33x400] codes=u8[29x160] scales=f32[29x25] c=f32[33x29] bits=3 beta=-0.5 "
      "transB=transposed",
      "a=f32[31x43] codes=u8[5x16] scales=f32[5x43] c=f32[31x5] bits=2 transB=transposed",
      "a=f32[1x33] codes=u8[33x128] scales=f32[33x4] c=f32[1x256]",
      "a=f32[70x101] codes=u8[101x320] scales=f32[101x5] c=f32[70x640] beta=1",
      "a=f32[5x29] codes=u8[29x160] scales=f32[29x25] c=f32[5x400] bits=3 bias=f32[400]",
      "a=f32[2x7] codes=u8[7x16] scales=f32[7x43] c=f32[2x43] bits=2",
      "a=f32[3x19] codes=u8[19x144] scales=f32[19x2] c=f32[3x130] bits=8",
      "a=f32[1x256] codes=u8[33x128] scales=f32[33x4] c=f32[1x33] transB=transposed activations=i8",
      "a=f32[4x400] codes=u8[9x208] scales=f32[9x25] c=f32[4x9] beta=1 transB=transposed "
      "activations=i8",
      "a=f32[3x384] codes=u8[9x144] scales=f32[9x3] c=f32[3x9] bits=3 bias=f32[9] "
      "transB=transposed activations=i8",
      "a=f32[2x192] codes=u8[31x48] scales=f32[31x6] c=f32[2x31] bits=2 transB=transposed "
      "activations=i8",
      "a=f32[5x256] codes=u8[6x256] scales=f32[6x4] c=f32[5x6] bits=8 transB=transposed "
      "activations=i8",
      "a=f32[33x160] codes=u8[29x64] scales=f32[29x5] c=f32[33x29] bits=3 transB=transposed "
      "activations=i8",
      "a=f32[67x320] codes=u8[29x160] scales=f32[29x5] c=f32[67x29] beta=1 transB=transposed "
      "activations=i8",
      "a=f32[0x64] codes=u8[5x32] scales=f32[5x1] c=f32[0x5] transB=transposed",
      "a=f32[2x0] codes=u8[5x0] scales=f32[5x0] c=f32[2x5] bias=f32[5] transB=transposed"};
  static constexpr const char* cases[] = {
      "a=f32[1x4096] codes=u8[4096x2048] scales=f32[4096x64] c=f32[1x4096] transB=transposed",
      "a=f32[4x4096] codes=u8[4096x2048] scales=f32[4096x64] c=f32[4x4096] transB=transposed",
      "a=f32[16x4096] codes=u8[4096x2048] scales=f32[4096x64] c=f32[16x4096] transB=transposed",
      "a=f32[128x4096] codes=u8[4096x2048] scales=f32[4096x64] c=f32[128x4096] transB=transposed",
      "a=f32[1x4096] codes=u8[4096x1536] scales=f32[4096x64] c=f32[1x4096] bits=3 "
      "transB=transposed",
      "a=f32[1x4096] codes=u8[4096x4096] scales=f32[4096x64] c=f32[1x4096] bits=8 "
      "transB=transposed",
      "a=f32[128x4096] codes=u8[4096x2048] scales=f32[4096x64] c=f32[128x4096]",
      "a=f32[1x4096] codes=u8[4096x2048] scales=f32[4096x64] c=f32[1x4096] transB=transposed "
      "activations=i8",
      "a=f32[4x4096] codes=u8[4096x2048] scales=f32[4096x64] c=f32[4x4096] transB=transposed "
      "activations=i8",
      "a=f32[1x4096] codes=u8[4096x4096] scales=f32[4096x64] c=f32[1x4096] bits=8 "
      "transB=transposed activations=i8"};
  View a, codes, scales, c, bias;
  int64_t bits = 4;
  double beta = 0;
  Transpose trans_b = Transpose::kNone;
  Activations activations = Activations::kF32;

  bool is_rounded() const { return activations == Activations::kI8; }
  bool is_forward() const { return trans_b == Transpose::kTransposed; }
  int64_t columns() const { return is_forward() ? a.shape[1] : c.shape[1]; }
  int64_t rows() const { return is_forward() ? c.shape[1] : a.shape[1]; }
  Grouped matrix() const { return grouped(rows(), columns(), scales, bits); }
  int64_t inner() const { return a.shape[1]; }
  double flops() const { return 2.0 * double(c.size()) * double(inner()); }
  double bytes() const {
    return double(bytes_in(a) + bytes_in(codes) + bytes_in(scales) +
                  (beta == 0 ? 1 : 2) * bytes_in(c) + bytes_in(bias));
  }
  void fields(Fields& f) {
    f.in("a", a), f.in("codes", codes), f.in("scales", scales), f.inout("c", c);
    f.in("bias", bias, kOptional), f.value("bits", bits), f.value("beta", beta);
    f.value("transB", trans_b), f.value("activations", activations);
  }
  void check(auto require) const {
    check_bits(require, bits);
    require(is_forward() || !is_rounded(), ErrorCode::kArgument,
            "activations 'i8' need transB 'transposed'");
    for (auto& v : {a, c}) {
      require(v.dtype == Dtype::kF32, ErrorCode::kDtype, "a and c must be f32", v);
      require(v.rank == 2, ErrorCode::kShape, "a and c must be matrices", v);
    }
    require(a.shape[0] == c.shape[0], ErrorCode::kShape, "a and c must have as many rows", a, "c",
            c);
    check_grouped(require, codes, scales, bits, rows(), columns());
    if (bias)
      require.array("bias must be f32 with an element a column of c", bias, Dtype::kF32,
                    c.shape[1]);
  }
};

}  // namespace orthokit
