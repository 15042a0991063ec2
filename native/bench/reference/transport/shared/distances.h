// Distances of points in plain loops.
#pragma once
#include "bench/reference/transport/shared/transport.h"
#include "ops/transport/shared/distances.h"

namespace orthokit::bench {

inline double distance_of(const View& x, const View& y, Metric metric, int64_t i, int64_t j) {
  const int64_t d = x.shape[1];
  const double sum = sum_of_terms(d, [&](int64_t k) {
    const double by = values(x)[i * d + k] - values(y)[j * d + k];
    return metric == Metric::kL1 ? std::abs(by) : by * by;
  });
  return metric == Metric::kEuclidean ? std::sqrt(sum) : sum;
}

}  // namespace orthokit::bench
