#include "cuda/convert.cuh"
#include "cuda/device/reduce.cuh"
#include "cuda/matrix.cuh"
#include "math/normalized.h"
#include "ops/optimizers/unit_columns.h"

namespace orthokit::cuda {

// A block a matrix.
static __global__ void __launch_bounds__(kMatrixThreads)
    unit_factors_kernel(const double* all_squares, int64_t columns, double eps, double least,
                        double* all_factors) {
  const int64_t first = int64_t(blockIdx.x) * columns;
  const double* squares = all_squares + first;
  double all = 0;
  for (int64_t j = threadIdx.x; j < columns; j += kMatrixThreads) all += squares[j];
  all = block_reduce<Sum>(all);
  for (int64_t j = threadIdx.x; j < columns; j += kMatrixThreads)
    all_factors[first + j] = math::unit_factor(squares[j], all, eps, least);
}

template <class T>
struct UnitColumnsRow {
  const T* x;
  const double* factors;
  T* out;
  int64_t rows, columns;
  template <int N>
  __device__ void operator()(int64_t row, int64_t at) const {
    const double* own = factors + row / rows * columns + at;
    const int64_t begin = row * columns + at;
#pragma unroll
    for (int i = 0; i < N; ++i) out[begin + i] = finite_factor<T>(own[i]) * x[begin + i];
  }
};

static void unit_columns(const UnitColumns& op, Stream& stream) {
  const int64_t batch = op.x.shape[0], rows = op.x.shape[1], columns = op.x.shape[2];
  if (op.x.size() == 0) return;
  auto* factors = stream.scratch<double>(batch * columns);
  launch(stream, unit_factors_kernel, {dim3(unsigned(batch)), kMatrixThreads},
         op.squares.as<double>(), columns, op.eps, op.least, factors);
  visit(op.x.dtype, [&]<class T>() {
    for_matrix(stream, batch * rows, columns,
               UnitColumnsRow<T>{op.x.as<T>(), factors, op.out.as<T>(), rows, columns});
  });
}
ORTHOKIT_KERNEL(UnitColumns, unit_columns);

}  // namespace orthokit::cuda
