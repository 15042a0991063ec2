#include "ops/rows/row_softmax_backward.h"

#include "cpu/chunks.h"
#include "cpu/strips.h"
#include "cpu/sums.h"
#include "cpu/widened.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void row_softmax_backward(const RowSoftmaxBackward& op, Stream& stream) {
  const int64_t rows = row_count(op.y), columns = row_length(op.y);
  visit(op.y.dtype, [&]<class T>() {
    const bool streams = streams_to(op.out, op.out.as<T>(), op.grad.as<T>(), op.y.as<T>()) &&
                         are_lines(columns * int64_t(sizeof(T)));
    for_rows(stream, rows, columns, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        const T *grad = op.grad.as<T>() + i * columns, *y = op.y.as<T>() + i * columns;
        T* out = op.out.as<T>() + i * columns;
        const double mean =
            sum_of(columns, [=](int64_t j) { return double(grad[j]) * double(y[j]); });
        const auto result = [=](int64_t j) { return T(double(y[j]) * (double(grad[j]) - mean)); };
        put_strips(columns, out, streams, op.beta != 0, result);
      }
    });
  });
}
ORTHOKIT_WIDE_KERNEL(RowSoftmaxBackward, row_softmax_backward);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
