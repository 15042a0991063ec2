// Distances of points, each by one thread.
#pragma once
#include "cuda/transport.cuh"
#include "ops/distances.h"

namespace orthokit::cuda {

template <class T>
struct CoordinateBody {
  const T* from;
  double* out;
  int64_t points, dimension;
  __device__ void operator()(int64_t at) const {
    const int64_t k = at / points, j = at - k * points;
    out[at] = double(from[j * dimension + k]);
  }
};
// Points with one row a coordinate, so that neighbouring threads read neighbours.
template <class T>
double* coordinates_of(Stream& stream, const View& points) {
  const int64_t n = points.shape[0], d = points.shape[1];
  auto* out = stream.scratch<double>(n * d);
  for_items(stream, n * d, CoordinateBody<T>{points.as<T>(), out, n, d});
  return out;
}

// Costs of the rows of x, f64, to points given by coordinates.
template <class T>
struct PointCosts {
  static constexpr bool kHasSlopes = true;
  const T* x;
  const double* y;
  int64_t points, dimension;
  Metric metric;
  __device__ __forceinline__ double difference(int64_t i, int64_t j, int64_t k) const {
    return double(x[i * dimension + k]) - y[k * points + j];
  }
  __device__ double at(int64_t i, int64_t j) const {
    double sum = 0;
    for (int64_t k = 0; k < dimension; ++k) {
      const double by = difference(i, j, k);
      sum += metric == Metric::kL1 ? fabs(by) : by * by;
    }
    return metric == Metric::kEuclidean ? sqrt(sum) : sum;
  }
  __device__ double slope(int64_t i, int64_t j, int64_t k, double cost) const {
    const double by = difference(i, j, k);
    if (metric == Metric::kSqeuclidean) return 2 * by;
    if (metric == Metric::kL1) return by > 0 ? 1 : by < 0 ? -1 : 0;
    return cost > 0 ? by / cost : 0;
  }
};

template <class T>
struct StoredCosts {
  static constexpr bool kHasSlopes = false;
  const T* cost;
  int64_t stride, step;  // from choice to choice, from one to choose from to the next
  __device__ __forceinline__ double at(int64_t i, int64_t j) const {
    return double(cost[i * stride + j * step]);
  }
};

}  // namespace orthokit::cuda
