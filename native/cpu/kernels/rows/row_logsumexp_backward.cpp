#include "ops/rows/row_logsumexp_backward.h"

#include "cpu/chunks.h"
#include "cpu/softmax.h"
#include "cpu/widened.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void row_logsumexp_backward(const RowLogsumexpBackward& op, Stream& stream) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  visit(op.x.dtype, [&]<class T>() {
    const T* grad = op.grad.as<T>();
    const SoftmaxRows<T> all(op.x.as<T>(), rows, columns, op.out.as<T>());
    for_rows(stream, rows, columns, [&](int64_t first, int64_t last) {
      all.run(first, last, [=](int64_t row, T*, double sum) { return double(grad[row]) / sum; });
    });
  });
}
ORTHOKIT_WIDE_KERNEL(RowLogsumexpBackward, row_logsumexp_backward);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
