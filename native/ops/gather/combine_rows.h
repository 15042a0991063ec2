#pragma once
#include "core/op.h"
#include "ops/shared/arithmetic.h"

namespace orthokit {

struct CombineRows {
  static constexpr const char *name = "combine_rows",
                              *summary = "out = sums of rows of x, each by its coefficient";
  static constexpr const char* about = R"(
  outᵢ = Σₜ coefficientsᵢₜ · x[indicesᵢₜ]: signals of a sparse code, rows of a table in terms of
  others. Rows of 16 bits give sums of f32.
  Numerics: sums in f64 in the order of the code, rounded once. An index outside 0 … n − 1, such as
  −1 for an unused place, adds nothing; nothing outside x is read.
  Traffic: one read of the code and of each row that it names, one write of out.
  )";
  static constexpr const char* examples[] = {
      "x=f32[9x43] indices=i32[597x5] coefficients=f32[597x5] out=f32[597x43]",
      "x=f64[5x597] indices=i32[31x33] coefficients=f64[31x33] out=f64[31x597]",
      "x=f32[0x3] indices=i32[5x2] coefficients=f32[5x2] out=f32[5x3]",
      "x=f64[7x8] indices=i32[4x0] coefficients=f64[4x0] out=f64[4x8]",
      "x=bf16[31x4097] indices=i32[2x33] coefficients=f32[2x33] out=f32[2x4097]",
      "x=f16[9x44] indices=i32[33x5] coefficients=f32[33x5] out=f32[33x44]"};
  static constexpr const char* cases[] = {
      "x=f32[8000x1024] indices=i32[512x64] coefficients=f32[512x64] out=f32[512x1024]",
      "x=bf16[512x65536] indices=i32[1x512] coefficients=f32[1x512] out=f32[1x65536]"};
  View x, indices, coefficients, out;

  double terms() const { return double(indices.size()) * double(x.shape[1]); }
  double flops() const { return 2 * wide_flops(x) * terms(); }
  double bytes() const {
    return double(bytes_in(indices) + bytes_in(coefficients) + bytes_in(out)) +
           terms() * double(bytes_of(x.dtype));
  }
  void fields(Fields& f) {
    f.in("x", x), f.in("indices", indices), f.in("coefficients", coefficients), f.out("out", out);
  }
  void check(auto require) const {
    const bool is_half = x.dtype == Dtype::kF16 || x.dtype == Dtype::kBf16;
    require(is_half || is_f32_or_f64(x), ErrorCode::kDtype, "x must be floating", x);
    for (auto& v : {coefficients, out})
      require(v.dtype == (is_half ? Dtype::kF32 : x.dtype), ErrorCode::kDtype,
              "coefficients and out must have x's dtype, or f32 for 16 bits", v, "x", x);
    for (auto& v : {x, coefficients, out})
      require(v.rank == 2, ErrorCode::kShape, "x, coefficients and out must be matrices", v);
    require(indices.dtype == Dtype::kI32, ErrorCode::kDtype, "indices must be i32", indices);
    require(same_shape(indices, coefficients), ErrorCode::kShape,
            "indices must have the shape of coefficients", indices, "coefficients", coefficients);
    require(out.shape[0] == indices.shape[0] && out.shape[1] == x.shape[1], ErrorCode::kShape,
            "out must have as many rows as indices, as long as those of x", out, "indices", indices,
            "x", x);
  }
};

}  // namespace orthokit
