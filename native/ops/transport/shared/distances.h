// Shared parts of operations on the distances of points.
#pragma once
#include "ops/transport/shared/transport.h"

namespace orthokit {

// |x − y|², |x − y|, Σ |xₖ − yₖ|.
enum class Metric : int32_t { kSqeuclidean, kEuclidean, kL1 };
inline Words words(Metric) {
  static constexpr const char* list[] = {"sqeuclidean", "euclidean", "l1"};
  return list;
}

// From this many coordinates on |x − y|² is |x|² + |y|² − 2 x·y about the mean of all points: half
// the instructions. Where that is no more than kLeastShare of |x|² + |y|², or these overflow, it is
// by differences all the same: equal points cost 0, and neighbours in clouds far apart keep their
// digits. Error, d coordinates: 2 (d + 4) 2⁻⁵³ (|x|² + |y|²) about the mean, and so 2 (d + 4) 2⁻⁴⁵
// of the cost; by differences (d + 2) 2⁻⁵³ of the cost. A cost has the same bits from x to y as
// from y to x.
inline constexpr int64_t kLeastDimension = 16;
inline constexpr double kLeastShare = 0x1p-8;
inline bool multiplies_coordinates(Metric metric, int64_t dimension) {
  return metric == Metric::kSqeuclidean && dimension >= kLeastDimension;
}

inline void require_points(auto require, const View& x, const View& y) {
  require(x.rank == 2, ErrorCode::kShape, "x must be a matrix", x);
  require(is_f32_or_f64(x), ErrorCode::kDtype, "x must be f32 or f64", x);
  require(y.rank == 2, ErrorCode::kShape, "y must be a matrix", y);
  require(y.dtype == x.dtype, ErrorCode::kDtype, "y must have the dtype of x", y);
  require(y.shape[1] == x.shape[1], ErrorCode::kShape, "y must have the columns of x", y, "x", x);
}

}  // namespace orthokit
