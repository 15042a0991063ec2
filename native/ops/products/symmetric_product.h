#pragma once
#include "ops/products/gemm.h"

namespace orthokit {

struct SymmetricProduct {
  static constexpr const char *name = "symmetric_product",
                              *summary = "c = alpha a (b or a)' + beta (addend or c) + diagonal I";
  static constexpr const char* about = R"(
  c = alpha · a bᵀ + beta · s + diagonal · I, or with aᵀ b (`trans`), for matrices, or batches of
  equally many: half of the work of a gemm, and symmetric to the bit. b is a where there is none;
  one of its own is for products that are symmetric by nature: only what is on and below the
  diagonal is computed. s is `addend`, or c itself without one; for beta ≠ 0 the result depends on
  its lower triangle alone.
  Numerics: products and sums in the tensors' dtype; of f16 and bf16 in f32, rounded once; small
  bf16 numbers as in gemm. alpha = 0 does not read a.
  )";
  static constexpr const char* examples[] = {
      "a=f32[65x300] c=f32[65x65]",
      "a=f64[300x31] c=f64[31x31] trans=transposed alpha=-2",
      "a=f32[3x290x31] c=f32[3x290x290] diagonal=3",
      "a=f64[31x0] c=f64[31x31] diagonal=2",
      "a=f32[65x300] c=f32[65x65] alpha=0.5 diagonal=1",
      "a=f32[150x800] c=f32[150x150] beta=-1",
      "a=f32[2x800x150] c=f32[2x150x150] trans=transposed alpha=0.5 beta=2 diagonal=1",
      "a=f32[150x31] c=f32[150x150] addend=f32[150x150] alpha=0.5 beta=2 diagonal=1",
      "a=f64[2x31x150] c=f64[2x150x150] addend=f64[2x150x150] trans=transposed beta=-3",
      "a=f32[33x4097] c=f32[33x33] beta=2",
      "a=f64[597x33] c=f64[33x33] trans=transposed diagonal=-1",
      "a=f32[65x3x530] c=f32[65x3x3] addend=f32[65x3x3] beta=0.5 diagonal=1",
      "a=f32[32x17x132] c=f32[32x132x132] trans=transposed diagonal=2",
      "a=f32[32x129x17] c=f32[32x129x129] beta=-1",
      "a=f32[150x800] b=f32[150x800] c=f32[150x150] alpha=0.5 beta=2",
      "a=f64[2x31x150] b=f64[2x31x150] c=f64[2x150x150] addend=f64[2x150x150] trans=transposed "
      "beta=-3 diagonal=1",
      "a=bf16[2x136x200] b=bf16[2x136x200] c=bf16[2x136x136] addend=bf16[2x136x136] beta=0.5",
      "a=f16[24x17x264] b=f16[24x17x264] c=f16[24x264x264] trans=transposed diagonal=1",
      "a=bf16[65x300] c=bf16[65x65] alpha=0.5 diagonal=1",
      "a=f16[300x31] c=f16[31x31] trans=transposed alpha=-2 beta=1",
      "a=bf16[2x200x264] c=bf16[2x264x264] addend=bf16[2x264x264] trans=transposed beta=2 "
      "diagonal=1",
      "a=f16[136x800] c=f16[136x136] beta=-1",
      "a=bf16[24x272x40] c=bf16[24x272x272] addend=bf16[24x272x272] beta=0.5 diagonal=3",
      "a=f16[33x4097] c=f16[33x33] beta=2",
      "a=bf16[31x0] c=bf16[31x31] diagonal=2",
      "a=f16[65x3x530] c=f16[65x3x3] addend=f16[65x3x3] beta=0.5 diagonal=1"};
  static constexpr const char* cases[] = {
      "a=f32[1024x1024] c=f32[1024x1024]", "a=f32[64x784] c=f32[64x64]",
      "a=bf16[1024x1024] c=bf16[1024x1024]", "a=f16[1024x1024] c=f16[1024x1024]"};
  View a, c, addend, b;
  double alpha = 1, beta = 0, diagonal = 0;
  Transpose trans = Transpose::kNone;

  double flops() const {
    const Matrices m = matrices(a), n = matrices(c);
    return double(m.batch) * double(n.rows + 1) * double(m.rows) * double(m.columns);
  }
  double bytes() const {
    return double(bytes_in(a) + bytes_in(b) + (beta == 0 ? 1 : 2) * bytes_in(c));
  }
  void fields(Fields& f) {
    f.in("a", a), f.inout("c", c), f.in("addend", addend, kOptional), f.in("b", b, kOptional);
    f.value("alpha", alpha), f.value("beta", beta), f.value("diagonal", diagonal);
    f.value("trans", trans);
  }
  void check(auto require) const {
    for (auto& v : {a, c}) {
      require(is_floating(v) && v.dtype == c.dtype, ErrorCode::kDtype,
              "a and c must be floating and of one dtype", v);
      require((v.rank == 2 || v.rank == 3) && v.rank == c.rank, ErrorCode::kShape,
              "a and c must be matrices or batches of them", v, "c", c);
      require(matrices(v).rows <= kMaxSide && matrices(v).columns <= kMaxSide, ErrorCode::kShape,
              "a and c must have sides below 2^31", v);
    }
    const Matrices ma = matrices(a), mc = matrices(c);
    const int64_t n = trans == Transpose::kNone ? ma.rows : ma.columns;
    if (mc.rows != n || mc.columns != n || mc.batch != ma.batch)
      throw Error(ErrorCode::kShape, "c does not fit a" + fitting(c, "a", a) + ", trans '" +
                                         words(trans)[int(trans)] + "'");
    if (b) {
      require(b.dtype == a.dtype, ErrorCode::kDtype, "b must have a's dtype", b);
      require(same_shape(b, a), ErrorCode::kShape, "b must have a's shape", b, "a", a);
    }
    if (addend) {
      require(addend.dtype == c.dtype, ErrorCode::kDtype, "addend must have c's dtype", addend);
      require(same_shape(addend, c), ErrorCode::kShape, "addend must have c's shape", addend, "c",
              c);
    }
  }
};

}  // namespace orthokit
