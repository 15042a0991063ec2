#include "cuda/columns.cuh"
#include "cuda/widened.cuh"
#include "ops/reductions/column_sum.h"

namespace orthokit::cuda {

template <class T>
struct ElementOfColumn {
  const T* x;
  int64_t columns;
  __device__ T operator()(int64_t row, int64_t column) const { return x[row * columns + column]; }
};

template <class T>
struct AddToColumn {
  T* out;
  double beta;
  __device__ void operator()(int64_t column, double sum) const {
    out[column] = T(beta == 0 ? sum : sum + beta * double(out[column]));
  }
};

static void column_sum(const ColumnSum& op, Stream& stream) {
  const int64_t rows = count_of_rows(op.x, op.out), columns = op.out.size();
  visit(op.x.dtype, [&]<class T>() {
    reduce_columns<Sum>(stream, rows, columns, ElementOfColumn<T>{op.x.as<T>(), columns},
                        AddToColumn<T>{op.out.as<T>(), op.beta});
  });
}
ORTHOKIT_WIDE_KERNEL(ColumnSum, column_sum);

}  // namespace orthokit::cuda
