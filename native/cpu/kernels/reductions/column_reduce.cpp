#include "ops/reductions/column_reduce.h"

#include "cpu/kernels/reductions/shared/columns.h"
#include "cpu/widened.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void column_reduce(const ColumnReduce& op, Stream& stream) {
  const int64_t rows = op.rows(), columns = row_length(op.x);
  visit(op.x.dtype, [&]<class T>() {
    visit(op.out.dtype, [&]<class Out>() {
      reduce_columns(op.reduction, op.x.as<T>(), op.batch(), rows, columns, stream,
                     [&](int64_t j, double total) {
                       op.out.as<Out>()[j] = Out(finished(op.reduction, total, rows));
                     });
    });
  });
}
ORTHOKIT_WIDE_KERNEL(ColumnReduce, column_reduce);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
