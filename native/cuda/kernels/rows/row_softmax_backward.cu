#include "cuda/rows.cuh"
#include "cuda/widened.cuh"
#include "ops/rows/row_softmax_backward.h"

namespace orthokit::cuda {

template <class T>
struct SoftmaxGradOfRow {
  const T *grad, *y;
  T* out;
  bool adds;
  int64_t columns;
  template <class Team>
  __device__ void operator()(const Team& team, int64_t row) const {
    const T *g = grad + row * columns, *p = y + row * columns;
    double mean = 0;
    team.visit(
        columns, [&](int64_t, T gj, T pj) { mean += double(gj) * double(pj); }, g, p);
    mean = team.sum(mean);
    const auto gradient = [=](int64_t, T gj, T pj, T old) {
      return T(double(pj) * (double(gj) - mean)) + old;
    };
    T* to = out + row * columns;
    team.map(columns, to, gradient, g, p, old_of(adds, to));
  }
};

static void row_softmax_backward(const RowSoftmaxBackward& op, Stream& stream) {
  const int64_t rows = row_count(op.y), columns = row_length(op.y);
  visit(op.y.dtype, [&]<class T>() {
    for_rows(
        stream, rows, columns,
        SoftmaxGradOfRow<T>{op.grad.as<T>(), op.y.as<T>(), op.out.as<T>(), op.beta != 0, columns});
  });
}
ORTHOKIT_WIDE_KERNEL(RowSoftmaxBackward, row_softmax_backward);

}  // namespace orthokit::cuda
