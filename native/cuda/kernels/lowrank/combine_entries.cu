#include "cuda/device/fused.cuh"
#include "cuda/matrix.cuh"
#include "ops/lowrank/combine_entries.h"

namespace orthokit::cuda {

template <class T>
struct CombineEntry {
  const int32_t *starts, *columns, *order;
  const T *values, *x;
  T* out;
  int64_t rows, size, count;
  template <int N>
  __device__ void operator()(int64_t i, int64_t at) const {
    const int64_t begin = starts[i], end = starts[i + 1];
    double sums[N] = {};
    if (!entry_range(begin, end, count).exists)
      for (double& sum : sums) sum = double(NAN);
    else
      for (int64_t e = begin; e < end; ++e) {
        const int64_t column = columns[e], place = order ? order[e] : e;
        if (column < 0 || column >= rows || place < 0 || place >= count) continue;
        const double factor = double(values[place]);
        visit_group<N>(
            at, [&](int64_t j, T v) { sums[j - at] = fused(factor, double(v), sums[j - at]); },
            x + column * size);
      }
    Group<T, N> group;
#pragma unroll
    for (int k = 0; k < N; ++k) group.of[k] = T(sums[k]);
    store_group(out + i * size, at, group);
  }
};

static void combine_entries(const CombineEntries& op, Stream& stream) {
  visit(op.x.dtype, [&]<class T>() {
    for_matrix(stream, op.out.shape[0], op.out.shape[1],
               CombineEntry<T>{op.starts.as<int32_t>(), op.columns.as<int32_t>(),
                               op.order.as<int32_t>(), op.values.as<T>(), op.x.as<T>(),
                               op.out.as<T>(), op.x.shape[0], op.x.shape[1], op.columns.shape[0]});
  });
}
ORTHOKIT_KERNEL(CombineEntries, combine_entries);

}  // namespace orthokit::cuda
