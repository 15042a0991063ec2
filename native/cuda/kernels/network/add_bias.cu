#include "cuda/matrix.cuh"
#include "cuda/widened.cuh"
#include "ops/network/add_bias.h"

namespace orthokit::cuda {

template <class T>
struct AddBiasToRow {
  const T *x, *bias;
  T* out;
  int64_t columns;
  template <int N>
  __device__ void operator()(int64_t row, int64_t at) const {
    const int64_t begin = row * columns;
    map_group<N>(
        at, out + begin, [](int64_t, T v, T b) { return v + b; }, x + begin, bias);
  }
};

static void add_bias(const AddBias& op, Stream& stream) {
  const int64_t rows = count_of_rows(op.x, op.bias), columns = op.bias.size();
  visit(op.x.dtype, [&]<class T>() {
    for_matrix(stream, rows, columns,
               AddBiasToRow<T>{op.x.as<T>(), op.bias.as<T>(), op.out.as<T>(), columns});
  });
}
ORTHOKIT_WIDE_KERNEL(AddBias, add_bias);

}  // namespace orthokit::cuda
