#include "cuda/softmax.cuh"
#include "cuda/widened.cuh"
#include "ops/rows/row_softmax.h"

namespace orthokit::cuda {

template <class T>
struct SoftmaxRow {
  const T* x;
  T* out;
  int64_t columns;
  template <class Team>
  __device__ void operator()(const Team& team, int64_t row) const {
    const T* from = x + row * columns;
    softmax(team, from, columns, max_of(team, from, columns), 1.0, out + row * columns);
  }
};

static void row_softmax(const RowSoftmax& op, Stream& stream) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  visit(op.x.dtype, [&]<class T>() {
    for_rows(stream, rows, columns, SoftmaxRow<T>{op.x.as<T>(), op.out.as<T>(), columns});
  });
}
ORTHOKIT_WIDE_KERNEL(RowSoftmax, row_softmax);

}  // namespace orthokit::cuda
