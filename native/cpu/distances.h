// Distances of a point to many.
#pragma once
#include <algorithm>
#include <cmath>

#include "cpu/stream.h"
#include "ops/distances.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Points with one row a coordinate, so that loops run over points.
struct Coordinates {
  const double* rows;
  int64_t points, dimension;
  const double* row(int64_t k) const { return rows + k * points; }
};
template <class T>
Coordinates coordinates_of(Stream& stream, const View& points) {
  const int64_t n = points.shape[0], d = points.shape[1];
  auto* out = stream.scratch<double>(n * d);
  const T* from = points.as<T>();
  stream.parallel((n + 1023) / 1024, [&](int64_t block) {
    const int64_t last = std::min(n, (block + 1) * 1024);
    for (int64_t k = 0; k < d; ++k)
      for (int64_t j = block * 1024; j < last; ++j) out[k * n + j] = double(from[j * d + k]);
  });
  return {out, n, d};
}

// out[j] = the distance of x to the point first + j, for j < count.
template <class T>
void distances_of(Metric metric, const T* x, const Coordinates& y, int64_t first, int64_t count,
                  double* out) {
  std::fill_n(out, count, 0.0);
  for (int64_t k = 0; k < y.dimension; ++k) {
    const double own = double(x[k]);
    const double* other = y.row(k) + first;
    if (metric == Metric::kL1)
      for (int64_t j = 0; j < count; ++j) out[j] += std::abs(own - other[j]);
    else
      for (int64_t j = 0; j < count; ++j) out[j] += (own - other[j]) * (own - other[j]);
  }
  if (metric == Metric::kEuclidean)
    for (int64_t j = 0; j < count; ++j) out[j] = std::sqrt(out[j]);
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
