#include "cuda/kernels/network/shared/row_scale.cuh"
#include "ops/network/rms_norm.h"

namespace orthokit::cuda {

template <class S>
struct ScaleRowByRoot {
  const S* x;
  Optional<S> weight;
  S* out;
  int64_t columns;
  double eps;
  template <class Team>
  __device__ void operator()(const Team& team, int64_t row) const {
    const S* from = x + row * columns;
    const double factor = inverse_root(team, from, columns, eps);
    const auto scaled = [=](int64_t, S v, S w) {
      return convert<S>(convert<double>(v) * factor * convert<double>(w));
    };
    team.map(columns, out + row * columns, scaled, from, weight);
  }
};

static void rms_norm(const RmsNorm& op, Stream& stream) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  visit_storage(op.x.dtype, [&]<class S>() {
    if constexpr (!std::is_integral_v<S>)
      for_rows(stream, rows, columns,
               ScaleRowByRoot<S>{op.x.as<S>(),
                                 {op.weight.as<S>(), convert<S>(1.0f)},
                                 op.out.as<S>(),
                                 columns,
                                 op.eps});
  });
}
ORTHOKIT_KERNEL(RmsNorm, rms_norm);

}  // namespace orthokit::cuda
