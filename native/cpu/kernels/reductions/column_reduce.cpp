#include "ops/reductions/column_reduce.h"

#include "cpu/kernels/reductions/shared/columns.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void column_reduce(const ColumnReduce& op, Stream& stream) {
  visit(op.x.dtype, [&]<class T>() {
    visit(op.out.dtype, [&]<class Out>() {
      reduce_columns<T>(op.reduction, op.x, stream, [&](int64_t j, double total) {
        op.out.as<Out>()[j] = Out(finished(op.reduction, total, op.x.shape[0]));
      });
    });
  });
}
ORTHOKIT_KERNEL(ColumnReduce, column_reduce);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
