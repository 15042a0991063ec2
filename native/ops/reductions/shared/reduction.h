// Reductions of a row or a column of a matrix.
#pragma once
#include "core/op.h"
#include "ops/shared/arithmetic.h"

namespace orthokit {

enum class Reduction : int32_t { kSum, kMean, kMax, kSumOfSquares };
inline Words words(Reduction) {
  static constexpr const char* list[] = {"sum", "mean", "max", "sum_of_squares"};
  return list;
}

inline double reduction_flops(const View& x, Reduction reduction) {
  const double terms = reduction == Reduction::kSumOfSquares ? 2 : 1;
  return double(x.size()) * (reduction == Reduction::kMax ? 1 : terms * wide_flops(x));
}

// `what` says which side of x (0 rows, 1 columns) out has the length of.
inline void check_reduction(auto require, const View& x, const View& out, int side,
                            const char* what) {
  require(is_f32_or_f64(x), ErrorCode::kDtype, "x must be f32 or f64", x);
  require(out.dtype == x.dtype || out.dtype == Dtype::kF64, ErrorCode::kDtype,
          "out must have x's dtype or f64", out);
  require(x.rank == 2, ErrorCode::kShape, "x must be a matrix", x);
  require(out.rank == 1 && out.shape[0] == x.shape[side], ErrorCode::kShape, what, out, "x", x);
}

}  // namespace orthokit
