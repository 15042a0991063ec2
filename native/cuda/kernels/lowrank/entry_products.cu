#include "cuda/device/fused.cuh"
#include "cuda/matrix.cuh"
#include "ops/lowrank/entry_products.h"

namespace orthokit::cuda {

template <class T>
struct EntryProduct {
  const T *x, *y;
  const int32_t *rows, *columns;
  T* out;
  int64_t x_rows, y_rows, width;
  __device__ T entry(int64_t e) const {
    const int64_t i = rows[e], j = columns[e];
    if (i < 0 || i >= x_rows || j < 0 || j >= y_rows) return T(NAN);
    double sum = 0;
    for (int64_t k = 0; k < width; ++k)
      sum = fused(double(x[i * width + k]), double(y[j * width + k]), sum);
    return T(sum);
  }
  template <int N>
  __device__ void operator()(int64_t, int64_t at) const {
    Group<T, N> group;
#pragma unroll
    for (int k = 0; k < N; ++k) group.of[k] = entry(at + k);
    store_group(out, at, group);
  }
};

static void entry_products(const EntryProducts& op, Stream& stream) {
  visit(op.x.dtype, [&]<class T>() {
    for_matrix(
        stream, 1, op.out.shape[0],
        EntryProduct<T>{op.x.as<T>(), op.y.as<T>(), op.rows.as<int32_t>(), op.columns.as<int32_t>(),
                        op.out.as<T>(), op.x.shape[0], op.y.shape[0], op.x.shape[1]});
  });
}
ORTHOKIT_KERNEL(EntryProducts, entry_products);

}  // namespace orthokit::cuda
