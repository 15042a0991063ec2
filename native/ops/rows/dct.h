#pragma once
#include <cmath>

#include "core/op.h"
#include "ops/shared/rows.h"

namespace orthokit {

enum class DctKind : int32_t { kDct2, kDct3 };
inline Words words(DctKind) {
  static constexpr const char* list[] = {"dct2", "dct3"};
  return list;
}

struct Dct {
  static constexpr const char *name = "dct",
                              *summary = "cosine transform of every row, or its inverse";
  static constexpr const char* about = R"(
  The orthonormal discrete cosine transforms along the last axis, of n elements: with
  Qᵢⱼ = √(2/n) cos(π i (2j + 1) / 2n), and row 0 times √½,
    dct2  out = x Qᵀ, the DCT-II    dct3  out = x Q, the DCT-III, which is its inverse and transpose
  out may be x. By a Fourier transform of n/2 complex numbers, or of n where n is odd (Makhoul
  1980), by factors 4, 2, 3 and 5; another prime factor p takes p² products for p numbers, so that
  any n works, and those of small primes are fast.
  Numerics: arithmetic in f32, or f64 where x is; its constants within 2 ulp. The error is some
  roundings of a row's norm; before a row is scaled its sums may reach n times its largest element,
  and beyond the largest number of the dtype they are infinite. A row that holds NaN or infinity
  becomes NaN as far as they reach, others do not.
  Traffic: one read, one write; a panel of rows is transformed in cache.
  )";
  static constexpr const char* examples[] = {"x=f32[33x64] out=f32[33x64]",
                                             "x=f32[33x64] out=f32[33x64] kind=dct3",
                                             "x=f64[17x45] out=f64[17x45]",
                                             "x=f64[17x45] out=f64[17x45] kind=dct3",
                                             "x=f32[3x5x120] out=f32[3x5x120]",
                                             "x=f32[2x602] out=f32[2x602] kind=dct3",
                                             "x=f64[5x1] out=f64[5x1]",
                                             "x=f32[5x2] out=f32[5x2]",
                                             "x=f64[9x6] out=f64[9x6] kind=dct3",
                                             "x=bf16[7x34] out=bf16[7x34]",
                                             "x=f16[7x50] out=f16[7x50] kind=dct3",
                                             "x=f64[1x2600] out=f64[1x2600] kind=dct3",
                                             "x=f32[4x0] out=f32[4x0]"};
  static constexpr const char* cases[] = {
      "x=f32[4096x1024] out=f32[4096x1024]", "x=f32[4096x1024] out=f32[4096x1024] kind=dct3",
      "x=f32[64x1024] out=f32[64x1024]", "x=f32[4096x768] out=f32[4096x768]"};
  View x, out;
  DctKind kind = DctKind::kDct2;

  void fields(Fields& f) { f.in("x", x), f.out("out", out, kMayAlias), f.value("kind", kind); }
  double flops() const;
  void check(auto require) const {
    require(is_floating(x), ErrorCode::kDtype, "x must be floating", x);
    require(out.dtype == x.dtype, ErrorCode::kDtype, "out must have x's dtype", out);
    require(x.rank >= 1, ErrorCode::kShape, "x must have an axis", x);
    require(row_length(x) <= int64_t(1) << 30, ErrorCode::kShape,
            "x must have rows of at most 2^30 elements", x);
    require(same_shape(out, x), ErrorCode::kShape, "out must have x's shape", out, "x", x);
  }
};

// The Fourier transform behind a row of n elements: `points` complex numbers, in passes of these
// factors.
struct DctPlan {
  int64_t length, points;
  int count = 0;
  int32_t factors[32];

  explicit constexpr DctPlan(int64_t n) : length(n), points(n % 2 == 0 ? n / 2 : n), factors{} {
    int64_t left = points;
    for (int64_t factor : {4, 2, 3, 5})
      for (; left > 0 && left % factor == 0; left /= factor) factors[count++] = int32_t(factor);
    for (int64_t factor = 7; left > 1; factor += 2) {
      if (factor * factor > left) factor = left;
      for (; left % factor == 0; left /= factor) factors[count++] = int32_t(factor);
    }
  }
  constexpr bool is_even() const { return length % 2 == 0; }
  // The place of element c of a row among those that are transformed: the even ones in their order,
  // then the odd ones backwards.
  constexpr int64_t turned(int64_t c) const { return c % 2 == 0 ? c / 2 : length - (c + 1) / 2; }
  // The constants of k = 1 … ends() are what the other numbers of a row need.
  constexpr int64_t ends() const { return is_even() ? points / 2 : (length - 1) / 2; }
  // Of element 0, and of the others' constants.
  double first_scale() const { return std::sqrt(1 / double(length)); }
  double scale(DctKind kind) const {
    const bool is_whole = !is_even() && kind == DctKind::kDct2;
    return std::sqrt(2 / double(length)) * (is_whole ? 1 : 0.5);
  }
};

inline double Dct::flops() const {
  const DctPlan plan(row_length(x));
  double each = 0;
  for (int i = 0; i < plan.count; ++i)
    each += plan.factors[i] == 4 ? 8.5 : plan.factors[i] <= 5 ? 8 : 8.0 * plan.factors[i];
  return double(row_count(x)) * (double(plan.points) * each + 6 * double(plan.length));
}

}  // namespace orthokit
