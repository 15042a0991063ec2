// A sum of products in plain loops.
#pragma once
#include <algorithm>
#include <limits>

#include "bench/reference/operands.h"
#include "bench/reference/reference.h"

namespace orthokit::bench {

// The size that the rounding of a sum of so many terms is relative to. Partial sums walk at random
// from 0 to the sum c: the mean of their squares is (2c² + Σ terms²) / 6 times their number. Of one
// term after the other the walk is known, Σ of the squares: once in ten thousand it is ten times
// that.
// Squares that f64 cannot hold, a long double can.
inline double size_of_walk(long double sum, long double squares, long double walked,
                           int64_t count) {
  return double(std::sqrt(
      std::max(2 * sum * sum + squares, count > 0 ? 6 * walked / (long double)(count) : 0)));
}

// The most that rounding takes from a sum, given the size of its terms: of terms without digits,
// some of the smallest number.
inline double rounding_of(Dtype dtype, double size) {
  const double least = dtype == Dtype::kF64 ? std::numeric_limits<double>::denorm_min()
                                            : double(std::numeric_limits<float>::denorm_min());
  return std::max(unit_of(dtype) * size, 4 * least);
}

struct InnerProduct {
  const double* a;
  int64_t step_a;
  const double* b;
  int64_t step_b, size;
  Dtype rounded = Dtype::kF64;  // factors are rounded to it

  double left(int64_t k) const { return in_dtype(a[k * step_a]); }
  double right(int64_t k) const { return in_dtype(b[k * step_b]); }
  double sum() const {
    double sum = 0;
    for (int64_t k = 0; k < size; ++k) sum += left(k) * right(k);
    return sum;
  }
  double terms() const {  // the size that its rounding is relative to
    double sum = 0, squares = 0, walked = 0;
    for (int64_t k = 0; k < size; ++k) {
      const double term = left(k) * right(k);
      if (std::isfinite(term)) sum += term, squares += term * term;
      walked += sum * sum;
    }
    return size_of_walk(sum, squares, walked, size);
  }
  // The same where kernels may take numbers below the smallest normal one as 0, before they round
  // them to bf16 as after it, and a partial sum of such a size as well; `rounding` is the factor of
  // the terms.
  double terms_of_bf16(double rounding) const {
    constexpr double kLeast = std::numeric_limits<float>::min();
    double lost = kLeast * double(size);
    for (int64_t k = 0; k < size; ++k) {
      const double x = std::abs(left(k)), y = std::abs(right(k));
      if (std::abs(a[k * step_a]) >= kLeast && std::abs(b[k * step_b]) >= kLeast) continue;
      if (std::isinf(x * y)) return kUnsteady;  // 0 times it is NaN
      if (std::isfinite(x * y)) lost += x * y;
    }
    return terms() + lost / rounding;
  }

 private:
  double in_dtype(double x) const {
    if (rounded == Dtype::kBf16) return to_float(to_bfloat16(float(x)));
    return rounded == Dtype::kF16 ? to_float(to_half(float(x))) : x;
  }
};

// A factor in the arithmetic of tensors of a dtype, where one too large is infinite.
inline double factor_in(Dtype dtype, double x) { return dtype == Dtype::kF64 ? x : float(x); }

// Of sums as long as this, one term after the other in the arithmetic's dtype: a rounding is of
// standard deviation 0.42 of its partial sum's unit, so theirs together is of 0.17 √size of the
// above. Walks that are not known have ten times as many squares once in ten thousand, and their
// roundings are four deviations off once in as many: twelve are beyond what thousands of millions
// of sums show.
inline double product_growth(int64_t size) { return 4 + 2 * std::sqrt(double(size)); }

// The size of what is added to such a sum, some roundings of it, less the growth that sizes are
// multiplied by.
inline double terms_of_added(double x, double growth) {
  constexpr double kRoundings = 4;
  return std::isfinite(x) ? kRoundings * std::abs(x) / growth : 0;
}

}  // namespace orthokit::bench
