// Distances of points, each by one thread.
#pragma once
#include "cuda/device/fused.cuh"
#include "cuda/device/load.cuh"
#include "cuda/kernels/transport/shared/transport.cuh"
#include "ops/transport/shared/distances.h"

namespace orthokit::cuda {

inline constexpr int kPointsAtOnce = 4;  // of x, for each of which a point of y is read once

template <class T>
struct CoordinateBody {
  const T* from;
  double* out;
  int64_t points, dimension, stride;
  __device__ void operator()(int64_t at) const {
    const int64_t k = at / stride, j = at - k * stride;
    out[at] = j < points ? double(from[j * dimension + k]) : 0;
  }
};
// Points with one row a coordinate, so that neighbouring threads read neighbours, and zeros up to a
// multiple of kPointsAtOnce.
struct Coordinates {
  const double* data;
  int64_t stride;
};
template <class T>
Coordinates coordinates_of(Stream& stream, const View& points) {
  const int64_t n = points.shape[0], d = points.shape[1];
  const int64_t stride = (n + kPointsAtOnce - 1) / kPointsAtOnce * kPointsAtOnce;
  auto* out = stream.scratch<double>(stride * d);
  for_items(stream, stride * d, CoordinateBody<T>{points.as<T>(), out, n, d, stride});
  return {out, stride};
}

// Costs of the points x to the points y.
struct PointCosts {
  Coordinates x, y;
  int64_t dimension;
  Metric metric;
  __device__ __forceinline__ double difference(int64_t i, int64_t j, int64_t k) const {
    return x.data[k * x.stride + i] - y.data[k * y.stride + j];
  }
  __device__ __forceinline__ double at(int64_t i, int64_t j) const {
    double sum = 0;
    for (int64_t k = 0; k < dimension; ++k) {
      const double by = difference(i, j, k);
      sum = metric == Metric::kL1 ? sum + fabs(by) : fused(by, by, sum);
    }
    return metric == Metric::kEuclidean ? sqrt(sum) : sum;
  }
  // Of x from i, a multiple of kPointsAtOnce, on.
  __device__ __forceinline__ void several(int64_t i, int64_t j,
                                          double (&costs)[kPointsAtOnce]) const {
    if (metric == Metric::kL1)
      add(i, j, costs, [](double by, double sum) { return sum + fabs(by); });
    else
      add(i, j, costs, [](double by, double sum) { return fused(by, by, sum); });
#pragma unroll
    for (double& cost : costs)
      if (metric == Metric::kEuclidean) cost = sqrt(cost);
  }
  __device__ double slope(int64_t i, int64_t j, int64_t k, double cost) const {
    const double by = difference(i, j, k);
    if (metric == Metric::kSqeuclidean) return 2 * by;
    if (metric == Metric::kL1) return by > 0 ? 1 : by < 0 ? -1 : 0;
    return cost > 0 ? by / cost : 0;
  }

 private:
  template <class F>
  __device__ __forceinline__ void add(int64_t i, int64_t j, double (&sums)[kPointsAtOnce],
                                      F&& join) const {
    constexpr int kPair = Vec<double>::n;
#pragma unroll
    for (double& sum : sums) sum = 0;
    for (int64_t k = 0; k < dimension; ++k) {
      const double own = y.data[k * y.stride + j];
#pragma unroll
      for (int r = 0; r < kPointsAtOnce; r += kPair) {
        double pair[kPair];
        Vec<double>::load(x.data + k * x.stride + i + r, pair);
#pragma unroll
        for (int s = 0; s < kPair; ++s) sums[r + s] = join(pair[s] - own, sums[r + s]);
      }
    }
  }
};

}  // namespace orthokit::cuda
