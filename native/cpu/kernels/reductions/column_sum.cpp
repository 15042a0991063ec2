#include "ops/reductions/column_sum.h"

#include "cpu/kernels/reductions/shared/columns.h"
#include "cpu/widened.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void column_sum(const ColumnSum& op, Stream& stream) {
  visit(op.x.dtype, [&]<class T>() {
    T* out = op.out.as<T>();
    reduce_columns(Reduction::kSum, op.x.as<T>(), 1, count_of_rows(op.x, op.out), op.out.size(),
                   stream, [&](int64_t j, double sum) {
                     out[j] = T(op.beta == 0 ? sum : sum + op.beta * double(out[j]));
                   });
  });
}
ORTHOKIT_WIDE_KERNEL(ColumnSum, column_sum);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
