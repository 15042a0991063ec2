#include "ops/rows/row_softmax.h"

#include "cpu/chunks.h"
#include "cpu/softmax.h"
#include "cpu/widened.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void row_softmax(const RowSoftmax& op, Stream& stream) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  visit(op.x.dtype, [&]<class T>() {
    const SoftmaxRows<T> all(op.x.as<T>(), rows, columns, op.out.as<T>());
    for_rows(stream, rows, columns, [&](int64_t first, int64_t last) {
      all.run(first, last, [](int64_t, T*, double sum) { return 1 / sum; });
    });
  });
}
ORTHOKIT_WIDE_KERNEL(RowSoftmax, row_softmax);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
