#include "cuda/kernels/network/shared/row_bands.cuh"
#include "cuda/kernels/network/shared/row_moments.cuh"
#include "cuda/widened.cuh"
#include "ops/network/layer_norm_backward.h"

namespace orthokit::cuda {

template <class T>
struct LayerNormGradients {
  static constexpr int kSums = 2;  // of weight, then of bias
  const T *grad, *x;
  Optional<T> weight;
  T* grad_x;
  bool adds;
  int64_t columns;
  double eps;

  template <class Team>
  __device__ void operator()(const Team& team, int64_t row, const ColumnSums<kSums>& sums) const {
    const T *g = grad + row * columns, *v = x + row * columns;
    const Moments moments = moments_of(team, v, columns, eps);
    const auto normal = [=](T vj) { return (double(vj) - moments.mean) * moments.inverse; };
    double shift = 0, slope = 0;
    const auto take = [&](int64_t j, T gj, T vj, T wj) {
      const double inner = double(gj) * double(wj), h = normal(vj);
      shift += inner, slope += inner * h;
      if (sums.sums) sums.add(j, 0, double(gj) * h), sums.add(j, 1, double(gj));
    };
    team.visit(columns, take, g, v, weight);
    shift = team.sum(shift) / double(columns), slope = team.sum(slope) / double(columns);
    const auto gradient = [&](int64_t, T gj, T vj, T wj, T old) {
      return T(moments.inverse * (double(gj) * double(wj) - shift - normal(vj) * slope)) + old;
    };
    T* to = grad_x + row * columns;
    team.map(columns, to, gradient, g, v, weight, old_of(adds, to));
  }
};

// A result is rounded before it is added to what is there.
template <class T>
struct SetGradients {
  T* out[2];  // weight's and bias's; null: nobody asks
  bool adds[2];
  int64_t columns;
  __device__ void operator()(int64_t s, double total) const {
    const int64_t j = column_of_slot(s % columns, columns);
#pragma unroll
    for (int k = 0; k < 2; ++k)
      if (s / columns == k && out[k]) out[k][j] = adds[k] ? out[k][j] + T(total) : T(total);
  }
};

static void layer_norm_backward(const LayerNormBackward& op, Stream& stream) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  visit(op.x.dtype, [&]<class T>() {
    for_row_bands(stream, rows, columns,
                  LayerNormGradients<T>{op.grad.as<T>(),
                                        op.x.as<T>(),
                                        {op.weight.as<T>(), T(1)},
                                        op.grad_x.as<T>(),
                                        op.beta_x != 0,
                                        columns,
                                        op.eps},
                  SetGradients<T>{{op.grad_weight.as<T>(), op.grad_bias.as<T>()},
                                  {op.beta_weight != 0, op.beta_bias != 0},
                                  columns});
  });
}
ORTHOKIT_WIDE_KERNEL(LayerNormBackward, layer_norm_backward);

}  // namespace orthokit::cuda
