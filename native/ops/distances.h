// What operations on the distances of points share.
#pragma once
#include "ops/transport.h"

namespace orthokit {

// |x − y|², |x − y|, Σ |xₖ − yₖ|.
enum class Metric : int32_t { kSqeuclidean, kEuclidean, kL1 };
inline Words words(Metric) {
  static constexpr const char* list[] = {"sqeuclidean", "euclidean", "l1"};
  return list;
}

// From this many coordinates on |x − y|² is taken from products, |x|² + |y|² − 2 x·y about the mean of
// all points, and from differences where it is no more than kLeastShare of |x|² + |y|².
inline constexpr int64_t kLeastDimension = 16;
inline constexpr double kLeastShare = 0x1p-8;
inline bool multiplies_coordinates(Metric metric, int64_t dimension) {
  return metric == Metric::kSqeuclidean && dimension >= kLeastDimension;
}

inline void require_points(const View& x, const View& y) {
  require(x.rank == 2, ErrorCode::kShape, "x must be a matrix", x);
  require(is_f32_or_f64(x), ErrorCode::kDtype, "x must be f32 or f64", x);
  require(y.rank == 2, ErrorCode::kShape, "y must be a matrix", y);
  require(y.dtype == x.dtype, ErrorCode::kDtype, "y must have the dtype of x", y);
  require(y.shape[1] == x.shape[1], ErrorCode::kShape, "y must have the columns of x", y);
}

}  // namespace orthokit
