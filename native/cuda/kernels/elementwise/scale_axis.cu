#include "cuda/widened.cuh"
#include "ops/elementwise/scale_axis.h"

namespace orthokit::cuda {

// Rows of the last axis, or where it is scaled itself, all of it as one row a place before.
template <class T>
struct ScaleRow {
  const T *x, *scale;
  T* out;
  bool adds, by_column;
  int64_t count, columns;
  template <int N>
  __device__ void operator()(int64_t row, int64_t at) const {
    const int64_t begin = row * columns;
    T* to = out + begin;
    const Optional<T> factor{by_column ? scale : nullptr, by_column ? T(0) : scale[row % count]};
    map_group<N>(
        at, to, [](int64_t, T v, T s, T old) { return v * s + old; }, x + begin, factor,
        old_of(adds, to));
  }
};

static void scale_axis(const ScaleAxis& op, Stream& stream) {
  const int64_t n = op.scale.size(), inner = op.inner();
  const bool by_column = inner == 1;
  const int64_t rows = by_column ? op.outer() : op.outer() * n, columns = by_column ? n : inner;
  visit(op.x.dtype, [&]<class T>() {
    for_matrix(stream, rows, columns,
               ScaleRow<T>{op.x.as<T>(), op.scale.as<T>(), op.out.as<T>(), op.beta != 0, by_column,
                           n, columns});
  });
}
ORTHOKIT_WIDE_KERNEL(ScaleAxis, scale_axis);

}  // namespace orthokit::cuda
