#include "cuda/matrix.cuh"
#include "math/rounding.h"
#include "ops/optimizers/drop_small.h"

namespace orthokit::cuda {

template <class T>
struct DropSmallRow {
  const T* x;
  const double* norms;
  T* out;
  double least;
  int64_t rows, columns;
  template <int N>
  __device__ void operator()(int64_t row, int64_t at) const {
    map_group<N>(
        at, out + row * columns,
        [this](int64_t, T value, double norm) {
          return math::above(value, T(math::rounding_floor(norm, least)));
        },
        x + row * columns, norms + row / rows * columns);
  }
};

static void drop_small(const DropSmall& op, Stream& stream) {
  const int64_t rows = op.x.shape[1], columns = op.x.shape[2];
  visit(op.x.dtype, [&]<class T>() {
    for_matrix(stream, op.x.shape[0] * rows, columns,
               DropSmallRow<T>{op.x.as<T>(), op.norms.as<double>(), op.out.as<T>(), op.least, rows,
                               columns});
  });
}
ORTHOKIT_KERNEL(DropSmall, drop_small);

}  // namespace orthokit::cuda
