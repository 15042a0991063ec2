#include "cuda/columns.cuh"
#include "cuda/kernels/reductions/shared/reduction.cuh"
#include "cuda/widened.cuh"
#include "ops/reductions/column_reduce.h"

namespace orthokit::cuda {

// The columns of all matrices of a batch stand in one line.
template <class Term, class T>
struct TermOfColumn {
  const T* x;
  int64_t rows, columns;
  __device__ double operator()(int64_t row, int64_t at) const {
    const int64_t matrix = at / columns, column = at - matrix * columns;
    return Term::of(double(x[(matrix * rows + row) * columns + column]));
  }
};

template <class Out>
struct SetColumn {
  Out* out;
  Finish finish;
  __device__ void operator()(int64_t column, double total) const {
    out[column] = Out(finish(total));
  }
};

static void column_reduce(const ColumnReduce& op, Stream& stream) {
  const int64_t rows = op.rows(), columns = row_length(op.x);
  visit(op.x.dtype, [&]<class T>() {
    on_reduction<T>(op.reduction, [&]<class R, class Term>() {
      visit(op.out.dtype, [&]<class Out>() {
        if constexpr (sizeof(Out) >= sizeof(T))  // x's dtype, or f64
          reduce_columns<R>(stream, rows, op.batch() * columns,
                            TermOfColumn<Term, T>{op.x.as<T>(), rows, columns},
                            SetColumn<Out>{op.out.as<Out>(), finish_of<T>(op.reduction, rows)});
      });
    });
  });
}
ORTHOKIT_WIDE_KERNEL(ColumnReduce, column_reduce);

}  // namespace orthokit::cuda
