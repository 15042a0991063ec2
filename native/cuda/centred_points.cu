#include "cuda/centred_points.cuh"
#include "cuda/columns.cuh"
#include "cuda/device/fused.cuh"

namespace orthokit::cuda {

inline constexpr int kPointThreads = 256, kPointsOfBlock = kPointThreads / kWarp;

template <class T>
struct CoordinateTerm {
  const T* points;
  int64_t dimension;
  __device__ double operator()(int64_t i, int64_t k) const {
    return double(points[i * dimension + k]);
  }
};
struct StoreTotal {
  double* totals;
  __device__ void operator()(int64_t k, double total) const { totals[k] = total; }
};

template <class T>
struct Cloud {
  const T* from;
  double *coordinates, *squares, *totals;
  int64_t points;
};

// A warp a point, those of x and then those of y.
template <class T>
__global__ void __launch_bounds__(kPointThreads)
    centre_kernel(Cloud<T> x, Cloud<T> y, int64_t dimension) {
  int64_t i = int64_t(blockIdx.x) * kPointsOfBlock + int(threadIdx.x) / kWarp;
  const double count = double(x.points + y.points);
  const Cloud<T>& own = i < x.points ? x : y;
  if (i >= x.points) i -= x.points;
  if (i >= own.points) return;
  double square = 0;
  for (int64_t k = int(threadIdx.x) % kWarp; k < dimension; k += kWarp) {
    const double by = double(own.from[i * dimension + k]) - (x.totals[k] + y.totals[k]) / count;
    own.coordinates[i * dimension + k] = by;
    square = fused(by, by, square);
  }
  square = warp_reduce<Sum>(square);
  if (int(threadIdx.x) % kWarp == 0) own.squares[i] = square;
}

template <class T>
static Cloud<T> cloud_of(Stream& stream, const View& points) {
  const int64_t n = points.shape[0], d = points.shape[1];
  const Cloud<T> cloud{points.as<T>(), stream.scratch<double>(n * d), stream.scratch<double>(n),
                       stream.scratch<double>(d), n};
  reduce_columns<Sum>(stream, n, d, CoordinateTerm<T>{cloud.from, d}, StoreTotal{cloud.totals});
  return cloud;
}

CentredClouds centred(Stream& stream, const View& x, const View& y) {
  CentredClouds out{};
  visit(x.dtype, [&]<class T>() {
    const Cloud<T> of_x = cloud_of<T>(stream, x), of_y = cloud_of<T>(stream, y);
    const int64_t points = of_x.points + of_y.points;
    out = {{of_x.coordinates, of_x.squares}, {of_y.coordinates, of_y.squares}};
    if (points == 0) return;
    launch(stream, centre_kernel<T>,
           {dim3(unsigned((points + kPointsOfBlock - 1) / kPointsOfBlock)), kPointThreads}, of_x,
           of_y, x.shape[1]);
  });
  return out;
}

}  // namespace orthokit::cuda
