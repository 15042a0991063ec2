#include "ops/rows/row_logsumexp_backward.h"

#include "cpu/chunks.h"
#include "cpu/softmax.h"
#include "cpu/widened.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void row_logsumexp_backward(const RowLogsumexpBackward& op, Stream& stream) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  visit(op.x.dtype, [&]<class T>() {
    for_rows(stream, rows, columns, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        const T* x = op.x.as<T>() + i * columns;
        softmax(x, columns, max_of(x, columns), double(op.grad.as<T>()[i]),
                op.out.as<T>() + i * columns);
      }
    });
  });
}
ORTHOKIT_WIDE_KERNEL(RowLogsumexpBackward, row_logsumexp_backward);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
