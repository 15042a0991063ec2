// Shared parts of operations on dense transport problems: a matrix of costs or of the Gibbs kernel,
// and vectors along its rows and columns, always f64.
#pragma once
#include <cmath>

#include "core/op.h"
#include "ops/shared/arithmetic.h"

namespace orthokit {

inline void require_transport_matrix(auto require, const char* rank, const char* dtype,
                                     const View& v) {
  require(v.rank == 2, ErrorCode::kShape, rank, v);
  require(is_f32_or_f64(v), ErrorCode::kDtype, dtype, v);
}
// `what` says that it must be f64 and how long: "rowMass must be f64 with one element a row".
inline void require_vector(auto require, const char* what, const View& v, int64_t size) {
  require(v.dtype == Dtype::kF64, ErrorCode::kDtype, what, v);
  require.size(v.rank == 1 && v.shape[0] == size, what, v, size);
}
inline void require_eps(auto require, double eps) {
  require(eps > 0 && eps < HUGE_VAL && 1 / eps < HUGE_VAL, ErrorCode::kArgument,
          "eps must be positive and finite", eps);
}

// Below this the sum of a column's exponentials may have lost terms that count.
inline constexpr double kLeastSum = 1e-200;

inline constexpr int64_t kMostSweeps = 1 << 16;

}  // namespace orthokit
