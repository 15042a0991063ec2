#include "cuda/softmax.cuh"
#include "cuda/widened.cuh"
#include "ops/rows/row_logsumexp_backward.h"

namespace orthokit::cuda {

template <class T>
struct GradTimesSoftmax {
  const T *grad, *x;
  T* out;
  int64_t columns;
  template <class Team>
  __device__ void operator()(const Team& team, int64_t row) const {
    const T* from = x + row * columns;
    softmax(team, from, columns, max_of(team, from, columns), double(grad[row]),
            out + row * columns);
  }
};

static void row_logsumexp_backward(const RowLogsumexpBackward& op, Stream& stream) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  visit(op.x.dtype, [&]<class T>() {
    for_rows(stream, rows, columns,
             GradTimesSoftmax<T>{op.grad.as<T>(), op.x.as<T>(), op.out.as<T>(), columns});
  });
}
ORTHOKIT_WIDE_KERNEL(RowLogsumexpBackward, row_logsumexp_backward);

}  // namespace orthokit::cuda
