#include "cuda/matrix.cuh"
#include "cuda/transport.cuh"
#include "ops/gibbs_kernel.h"

namespace orthokit::cuda {

template <class T>
struct GibbsBody {
  const T* cost;
  const double *u, *w;
  T* kernel;
  int64_t columns;
  double inverse;
  template <int N>
  __device__ void operator()(int64_t i, int64_t j) const {
    const double own = u[i];
    map_group<N>(
        j, kernel + i * columns,
        [&](int64_t k, T x) { return T(exp_in_range(own + w[k] - double(x) * inverse)); },
        cost + i * columns);
  }
};

static void gibbs_kernel(const GibbsKernel& op, Stream& stream) {
  const int64_t n = op.cost.shape[0], m = op.cost.shape[1];
  const double inverse = 1 / op.eps;
  const double *u = in_units(stream, op.row_potential, inverse),
               *w = in_units(stream, op.column_potential, inverse);
  visit(op.cost.dtype, [&]<class T>() {
    for_matrix(stream, n, m, GibbsBody<T>{op.cost.as<T>(), u, w, op.kernel.as<T>(), m, inverse});
  });
}
ORTHOKIT_KERNEL(GibbsKernel, gibbs_kernel);

}  // namespace orthokit::cuda
