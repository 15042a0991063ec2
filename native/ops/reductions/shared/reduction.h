// Reductions of rows or columns.
#pragma once
#include "core/op.h"
#include "ops/shared/arithmetic.h"
#include "ops/shared/rows.h"

namespace orthokit {

enum class Reduction : int32_t { kSum, kMean, kMax, kSumOfSquares, kNorm };
inline Words words(Reduction) {
  static constexpr const char* list[] = {"sum", "mean", "max", "sum_of_squares", "norm"};
  return list;
}

inline double reduction_flops(const View& x, Reduction reduction) {
  const bool squares = reduction == Reduction::kSumOfSquares || reduction == Reduction::kNorm;
  const double terms = squares ? 2 : 1;
  return double(x.size()) * (reduction == Reduction::kMax ? 1 : terms * wide_flops(x));
}

inline void check_reduced_dtypes(auto require, const View& x, const View& out) {
  require(is_floating(x), ErrorCode::kDtype, "x must be floating", x);
  require(out.dtype == x.dtype || out.dtype == Dtype::kF64, ErrorCode::kDtype,
          "out must have x's dtype or f64", out);
}

}  // namespace orthokit
