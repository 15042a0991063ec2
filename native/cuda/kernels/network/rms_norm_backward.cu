#include "cuda/kernels/network/shared/row_bands.cuh"
#include "cuda/kernels/network/shared/row_scale.cuh"
#include "ops/network/rms_norm_backward.h"

namespace orthokit::cuda {

template <class S>
struct RmsNormGradients {
  static constexpr int kSums = 1;
  const S *grad, *x;
  Optional<S> weight;
  S* grad_x;  // null: nobody asks
  int64_t columns;
  double eps, beta;

  template <class Team>
  __device__ void operator()(const Team& team, int64_t row, const ColumnSums<kSums>& sums) const {
    const S *g = grad + row * columns, *v = x + row * columns;
    const double inverse = inverse_root(team, v, columns, eps);
    double slope = 0;
    const auto take = [&](int64_t j, S gj, S vj, S wj) {
      const double by_weight = convert<double>(gj) * (convert<double>(vj) * inverse);
      slope += by_weight * convert<double>(wj);
      if (sums.sums) sums.add(j, 0, by_weight);
    };
    team.visit(columns, take, g, v, weight);
    if (!grad_x) return;
    slope = team.sum(slope) / double(columns) * inverse;
    const auto gradient = [=](S gj, S vj, S wj) {
      return inverse * (convert<double>(gj) * convert<double>(wj) - convert<double>(vj) * slope);
    };
    S* to = grad_x + row * columns;
    if (beta == 0)
      team.map(
          columns, to, [=](int64_t, S gj, S vj, S wj) { return convert<S>(gradient(gj, vj, wj)); },
          g, v, weight);
    else
      team.map(
          columns, to,
          [=, this](int64_t, S gj, S vj, S wj, S old) {
            return convert<S>(gradient(gj, vj, wj) + beta * convert<double>(old));
          },
          g, v, weight, to);
  }
};

static void rms_norm_backward(const RmsNormBackward& op, Stream& stream) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  visit_storage(op.x.dtype, [&]<class S>() {
    if constexpr (!std::is_integral_v<S>)
      for_row_bands(stream, rows, columns,
                    RmsNormGradients<S>{op.grad.as<S>(),
                                        op.x.as<S>(),
                                        {op.weight.as<S>(), convert<S>(1.0f)},
                                        op.grad_x.as<S>(),
                                        columns,
                                        op.eps,
                                        op.beta_x},
                    StoreColumnSums<S, 1>{{op.grad_weight.as<S>()}, {op.beta_weight}, columns});
  });
}
ORTHOKIT_KERNEL(RmsNormBackward, rms_norm_backward);

}  // namespace orthokit::cuda
