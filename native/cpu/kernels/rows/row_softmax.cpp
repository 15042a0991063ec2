#include "ops/rows/row_softmax.h"

#include "cpu/chunks.h"
#include "cpu/softmax.h"
#include "cpu/widened.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void row_softmax(const RowSoftmax& op, Stream& stream) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  visit(op.x.dtype, [&]<class T>() {
    for_rows(stream, rows, columns, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        const T* x = op.x.as<T>() + i * columns;
        softmax(x, columns, max_of(x, columns), 1, op.out.as<T>() + i * columns);
      }
    });
  });
}
ORTHOKIT_WIDE_KERNEL(RowSoftmax, row_softmax);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
