#pragma once
#include "core/op.h"
#include "ops/shared/arithmetic.h"

namespace orthokit {

struct CombineRows {
  static constexpr const char *name = "combine_rows",
                              *summary = "out = sums of rows of x, each by its coefficient";
  static constexpr const char* about = R"(
  outᵢ = Σₜ coefficientsᵢₜ · x[indicesᵢₜ]: signals of a sparse code, rows of a table in terms of
  others; without indices of all rows in their order. Rows of 16 bits give sums of f32; coefficients
  may be f64 beside rows of any kind.
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
      "x=f16[9x44] indices=i32[33x5] coefficients=f32[33x5] out=f32[33x44]",
      "x=f32[31x4097] indices=i32[2x33] coefficients=f64[2x33] out=f32[2x4097]",
      "x=f16[9x44] indices=i32[33x5] coefficients=f64[33x5] out=f32[33x44]",
      "x=bf16[5x44] indices=i32[3x9] coefficients=f64[3x9] out=f32[3x44]",
      "x=f32[31x44] coefficients=f64[3x31] out=f32[3x44]"};
  static constexpr const char* cases[] = {
      "x=f32[8000x1024] indices=i32[512x64] coefficients=f32[512x64] out=f32[512x1024]",
      "x=bf16[512x65536] indices=i32[1x512] coefficients=f32[1x512] out=f32[1x65536]",
      "x=f32[512x65536] coefficients=f64[1x512] out=f32[1x65536]"};
  View x, indices, coefficients, out;

  double terms() const { return double(coefficients.size()) * double(x.shape[1]); }
  double flops() const { return 2 * wide_flops(x) * terms(); }
  double bytes() const {
    return double(bytes_in(indices) + bytes_in(coefficients) + bytes_in(out)) +
           terms() * double(bytes_of(x.dtype));
  }
  void fields(Fields& f) {
    f.in("x", x), f.in("indices", indices, kOptional), f.in("coefficients", coefficients);
    f.out("out", out);
  }
  void check(auto require) const {
    const bool is_half = x.dtype == Dtype::kF16 || x.dtype == Dtype::kBf16;
    require(is_half || is_f32_or_f64(x), ErrorCode::kDtype, "x must be floating", x);
    require(out.dtype == (is_half ? Dtype::kF32 : x.dtype), ErrorCode::kDtype,
            "out must have x's dtype, or f32 for 16 bits", out, "x", x);
    require(coefficients.dtype == out.dtype || coefficients.dtype == Dtype::kF64, ErrorCode::kDtype,
            "coefficients must have out's dtype or f64", coefficients, "out", out);
    for (auto& v : {x, coefficients, out})
      require(v.rank == 2, ErrorCode::kShape, "x, coefficients and out must be matrices", v);
    if (indices) {
      require(indices.dtype == Dtype::kI32, ErrorCode::kDtype, "indices must be i32", indices);
      require(same_shape(indices, coefficients), ErrorCode::kShape,
              "indices must have the shape of coefficients", indices, "coefficients", coefficients);
    } else {
      require(coefficients.shape[1] == x.shape[0], ErrorCode::kShape,
              "coefficients without indices must have a column for each row of x", coefficients,
              "x", x);
    }
    require(out.shape[0] == coefficients.shape[0] && out.shape[1] == x.shape[1], ErrorCode::kShape,
            "out must have as many rows as coefficients, as long as those of x", out,
            "coefficients", coefficients, "x", x);
  }
};

// f of the types of x, out and coefficients.
template <class F>
void visit_combined(const CombineRows& op, F&& f) {
  const auto visit_coefficients = [&]<class S, class T>() {
    if (op.coefficients.dtype == op.out.dtype)
      f.template operator()<S, T, T>();
    else
      f.template operator()<S, T, double>();
  };
  if (op.x.dtype == op.out.dtype)
    visit(op.x.dtype, [&]<class T>() { visit_coefficients.template operator()<T, T>(); });
  else
    visit_half(op.x.dtype, [&]<class S>() { visit_coefficients.template operator()<S, float>(); });
}

}  // namespace orthokit
