#include "cuda/kernels/network/shared/row_moments.cuh"
#include "cuda/widened.cuh"
#include "ops/network/layer_norm.h"

namespace orthokit::cuda {

template <class T>
struct NormalizeRow {
  const T* x;
  Optional<T> weight, bias;
  T* out;
  int64_t columns;
  double eps;
  template <class Team>
  __device__ void operator()(const Team& team, int64_t row) const {
    const T* from = x + row * columns;
    const Moments moments = moments_of(team, from, columns, eps);
    const auto normalized = [=](int64_t, T v, T w, T b) {
      return T((double(v) - moments.mean) * moments.inverse * double(w) + double(b));
    };
    team.map(columns, out + row * columns, normalized, from, weight, bias);
  }
};

static void layer_norm(const LayerNorm& op, Stream& stream) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  visit(op.x.dtype, [&]<class T>() {
    for_rows(stream, rows, columns,
             NormalizeRow<T>{op.x.as<T>(),
                             {op.weight.as<T>(), T(1)},
                             {op.bias.as<T>(), T(0)},
                             op.out.as<T>(),
                             columns,
                             op.eps});
  });
}
ORTHOKIT_WIDE_KERNEL(LayerNorm, layer_norm);

}  // namespace orthokit::cuda
