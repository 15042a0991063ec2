#pragma once
#include "core/op.h"
#include "ops/shared/arithmetic.h"

namespace orthokit {

struct GramSchmidt {
  static constexpr const char *name = "gram_schmidt",
                              *summary = "a vector without its parts along rows, of length 1";
  static constexpr const char* about = R"(
  x ← x − Bᵀ B x, twice, then x / |x|; B is `basis`, of orthonormal rows. out = the products B x of x
  as it was given, one a row, then the length of what was left: a step of Lanczos or Arnoldi. Twice is
  enough (Parlett 1998, section 6.9). Nothing is left of 0, which stays 0. The first time is for the
  last `recent` rows alone, from 1 on, or all for 0: enough where those before are at right angles to x
  but for rounding, as two are in a step of Lanczos; of those before, out has the products of the
  second time.
  Numerics: products and their sums in f64, what is taken from x rounded to its dtype; so is 1 / |x|,
  at most the largest number, so that what is left of f32 has the length 1 to rounding where |x| is
  between 3e-39 and 8e37. Composed of other ops: runs on every backend.
  Traffic: four reads of basis, or two and two of its last rows.
  )";
  static constexpr const char* examples[] = {"basis=f32[5x597] x=f32[597] out=f64[6]",
                                             "basis=f64[31x43] x=f64[43] out=f64[32]",
                                             "basis=f64[1x4097] x=f64[4097] out=f64[2]",
                                             "basis=f32[0x7] x=f32[7] out=f64[1]",
                                             "basis=f64[31x43] x=f64[43] out=f64[32] recent=2",
                                             "basis=f32[9x597] x=f32[597] out=f64[10] recent=3"};
  static constexpr const char* cases[] = {"basis=f64[32x100] x=f64[100] out=f64[33]",
                                          "basis=f32[32x65536] x=f32[65536] out=f64[33]"};
  View basis, x, out;
  int64_t recent = 0;

  // Rows of the first pass.
  int64_t first() const {
    const int64_t rows = basis.shape[0];
    return recent > 0 && recent < rows ? recent : rows;
  }
  double passes() const {
    return 1 + double(first()) / double(basis.shape[0] ? basis.shape[0] : 1);
  }
  double flops() const { return 4 * passes() * wide_flops(basis) * double(basis.size()); }
  double bytes() const { return 2 * passes() * double(bytes_in(basis)) + 2 * double(bytes_in(x)); }
  void fields(Fields& f) {
    f.in("basis", basis), f.inout("x", x), f.out("out", out), f.value("recent", recent);
  }
  void check(auto require) const {
    require(is_f32_or_f64(x), ErrorCode::kDtype, "x must be f32 or f64", x);
    require(x.rank == 1, ErrorCode::kShape, "x must be a vector", x);
    require(basis.dtype == x.dtype, ErrorCode::kDtype, "basis must have x's dtype", basis);
    require(basis.rank == 2 && basis.shape[1] == x.size(), ErrorCode::kShape,
            "basis must have rows as long as x", basis, "x", x);
    require.array("out must be f64 with a number for each row and one more", out, Dtype::kF64,
                  basis.shape[0] + 1);
    require(recent >= 0, ErrorCode::kArgument, "recent must not be negative", double(recent));
  }
};

}  // namespace orthokit
