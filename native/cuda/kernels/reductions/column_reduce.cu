#include "cuda/columns.cuh"
#include "cuda/kernels/reductions/shared/reduction.cuh"
#include "ops/reductions/column_reduce.h"

namespace orthokit::cuda {

template <class Term, class T>
struct TermOfColumn {
  const T* x;
  int64_t columns;
  __device__ double operator()(int64_t row, int64_t column) const {
    return Term::of(double(x[row * columns + column]));
  }
};

template <class Out>
struct SetColumn {
  Out* out;
  double divisor;
  __device__ void operator()(int64_t column, double total) const {
    out[column] = Out(total / divisor);
  }
};

static void column_reduce(const ColumnReduce& op, Stream& stream) {
  const int64_t rows = op.x.shape[0], columns = op.x.shape[1];
  on_reduction(op.reduction, [&]<class R, class Term>() {
    visit(op.x.dtype, [&]<class T>() {
      visit(op.out.dtype, [&]<class Out>() {
        reduce_columns<R>(stream, rows, columns, TermOfColumn<Term, T>{op.x.as<T>(), columns},
                          SetColumn<Out>{op.out.as<Out>(), divisor_of(op.reduction, rows)});
      });
    });
  });
}
ORTHOKIT_KERNEL(ColumnReduce, column_reduce);

}  // namespace orthokit::cuda
