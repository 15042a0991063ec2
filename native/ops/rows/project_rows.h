#pragma once
#include "core/op.h"
#include "ops/shared/arithmetic.h"
#include "ops/shared/rows.h"

namespace orthokit {

enum class RowSet : int32_t { kSimplex, kL1Ball, kBall, kHalfspace };
inline Words words(RowSet) {
  static constexpr const char* list[] = {"simplex", "l1_ball", "ball", "halfspace"};
  return list;
}

struct ProjectRows {
  static constexpr const char *name = "project_rows",
                              *summary = "the nearest point of a set, for every row";
  static constexpr const char* about = R"(
  Each row of out = the point of a set that is nearest to the row of x; out may be x. By the word:
    simplex    yⱼ ≥ 0, Σ yⱼ = size: yⱼ = max(xⱼ − τ, 0), where τ makes the sum right
    l1_ball    Σ |yⱼ| ≤ size: x itself, or |x| projected onto the simplex, with the signs of x
    ball       ‖y‖₂ ≤ size: x itself, or size x / ‖x‖₂
    halfspace  Σ aⱼ yⱼ ≤ size, a = normal: x itself, or x − (Σ aⱼ xⱼ − size) a / ‖a‖₂²
  τ is exact (Michelot 1986): Newton's steps from below on a convex, piecewise linear function,
  each over the elements above the last τ, until none drops out; a few passes over the row.
  Numerics: in f64, in a fixed order, rounded once to the dtype; no square leaves its range. A row
  in the set keeps its bits. A row that holds NaN or infinity becomes NaN, and so do all rows where
  the normal holds one, and those for which the halfspace is empty (a = 0, size < 0).
  Traffic: one read, one write; later passes find their row in cache.
  )";
  static constexpr const char* examples[] = {
      "x=f32[597x43] out=f32[597x43]",
      "x=f64[3x4097] out=f64[3x4097] set=simplex size=3",
      "x=bf16[31x33] out=bf16[31x33] set=simplex size=0.5",
      "x=f64[31x597] out=f64[31x597] set=l1_ball size=7",
      "x=f16[33x31] out=f16[33x31] set=l1_ball",
      "x=f64[597x43] out=f64[597x43] set=ball size=2",
      "x=f32[3x4097] out=f32[3x4097] set=ball size=100",
      "x=f64[597x43] normal=f64[43] out=f64[597x43] set=halfspace size=-0.5",
      "x=f32[5x1028] normal=f32[1028] out=f32[5x1028] set=halfspace size=1"};
  static constexpr const char* cases[] = {"x=f32[8192x1024] out=f32[8192x1024]",
                                          "x=f32[8192x1024] out=f32[8192x1024] set=ball",
                                          "x=f32[64x1024] out=f32[64x1024]"};
  View x, normal, out;
  RowSet set = RowSet::kSimplex;
  double size = 1;

  void fields(Fields& f) {
    f.in("x", x), f.in("normal", normal, kOptional), f.out("out", out, kMayAlias);
    f.value("set", set), f.value("size", size);
  }
  double flops() const { return 8 * double(x.size()); }
  void check(auto require) const {
    require(is_floating(x), ErrorCode::kDtype, "x must be floating", x);
    require(x.rank >= 1, ErrorCode::kShape, "x must have an axis", x);
    require(out.dtype == x.dtype, ErrorCode::kDtype, "out must have x's dtype", out);
    require(same_shape(out, x), ErrorCode::kShape, "out must have x's shape", out, "x", x);
    if (set == RowSet::kHalfspace) {
      require(bool(normal), ErrorCode::kArgument, "normal is missing for a halfspace");
      require(normal.dtype == x.dtype, ErrorCode::kDtype, "normal must have x's dtype", normal);
      require(fits_columns(normal, x), ErrorCode::kShape,
              "normal must have one element a column of x", normal, "x", x);
      require(size - size == 0, ErrorCode::kArgument, "size must be finite", size);
    } else {
      require(!normal, ErrorCode::kArgument, "normal must be given for a halfspace alone", normal);
      require(size >= 0 && size - size == 0, ErrorCode::kArgument,
              "size must be finite and not negative", size);
      require(set != RowSet::kSimplex || size == 0 || row_length(x) > 0 || row_count(x) == 0,
              ErrorCode::kShape, "x must have columns where the simplex does", x);
    }
  }
};

}  // namespace orthokit
