#include "cuda/columns.cuh"
#include "cuda/device/fused.cuh"
#include "cuda/kernels/transport/shared/centred_points.cuh"

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

// A warp a point, of either cloud.
template <class T>
__global__ void __launch_bounds__(kPointThreads)
    centre_kernel(Cloud<T> own, const double* other_totals, int64_t all_points, int64_t dimension) {
  const int64_t i = int64_t(blockIdx.x) * kPointsOfBlock + int(threadIdx.x) / kWarp;
  if (i >= own.points) return;
  double square = 0;
  for (int64_t k = int(threadIdx.x) % kWarp; k < dimension; k += kWarp) {
    const double mean = (own.totals[k] + other_totals[k]) / double(all_points),
                 by = double(own.from[i * dimension + k]) - mean;
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

template <class T>
static void centre(Stream& stream, const Cloud<T>& own, const Cloud<T>& other, int64_t dimension) {
  if (own.points == 0) return;
  const int64_t blocks = (own.points + kPointsOfBlock - 1) / kPointsOfBlock;
  launch(stream, centre_kernel<T>, {dim3(unsigned(blocks)), kPointThreads}, own, other.totals,
         own.points + other.points, dimension);
}

CentredClouds centred(Stream& stream, const View& x, const View& y) {
  CentredClouds out{};
  visit(x.dtype, [&]<class T>() {
    const Cloud<T> of_x = cloud_of<T>(stream, x), of_y = cloud_of<T>(stream, y);
    centre(stream, of_x, of_y, x.shape[1]), centre(stream, of_y, of_x, x.shape[1]);
    out = {{of_x.coordinates, of_x.squares}, {of_y.coordinates, of_y.squares}};
  });
  return out;
}

}  // namespace orthokit::cuda
