#include "cuda/column_sums.cuh"
#include "cuda/device/fused.cuh"
#include "cuda/kernels/network/shared/wide.cuh"
#include "cuda/matrix.cuh"
#include "ops/network/batch_norm_backward.h"

namespace orthokit::cuda {
namespace {

// Σ grad and Σ grad (x − mean).
template <class S>
struct GradientSums {
  const S *grad, *x;
  const double* moments;
  int64_t columns;
  __device__ void operator()(int64_t row, int64_t column, double (&sums)[2]) const {
    const int64_t at = row * columns + column;
    const double g = convert<double>(grad[at]);
    sums[0] += g, sums[1] += g * (convert<double>(x[at]) - moments[column]);
  }
};

// grad · scale + (x − center) · slope + shift: three numbers of each column, and its center. The
// shift has what the center lacks of the mean: nothing, if the mean is infinite or the slope is.
template <class T>
struct GradientMap {
  T *center, *scale, *slope, *shift;
};

template <class S>
struct SettleGradient {
  using T = Wide<S>;
  const double* moments;
  Optional<S> weight;
  S *grad_weight, *grad_bias;  // null: nobody asks
  double beta_weight, beta_bias;
  GradientMap<T> map;
  int64_t rows, columns;

  __device__ static void add(S* out, int64_t column, double sum, double beta) {
    if (out) out[column] = convert<S>(beta == 0 ? sum : sum + beta * convert<double>(out[column]));
  }
  __device__ void operator()(int64_t column, const double (&sums)[2]) const {
    const double mean = moments[column], inverse = moments[columns + column];
    const double scale =
        inverse * convert<double>(weight.data ? weight.data[column] : weight.value);
    const double slope = -scale * inverse * inverse * sums[1] / double(rows);
    map.center[column] = T(mean), map.scale[column] = T(scale), map.slope[column] = T(slope);
    const double lacking = (mean - double(T(mean))) * slope;
    map.shift[column] = T(-scale * sums[0] / double(rows) - (isfinite(lacking) ? lacking : 0));
    add(grad_weight, column, sums[1] * inverse, beta_weight);
    add(grad_bias, column, sums[0], beta_bias);
  }
};

template <class S>
struct MapGradient {
  using T = Wide<S>;
  const S *grad, *x;
  S* grad_x;
  GradientMap<T> map;
  int64_t columns;
  T beta;
  template <int N>
  __device__ void operator()(int64_t row, int64_t column) const {
    const int64_t at = row * columns + column;
    const Group<T, N> center = load_group<N>(map.center, column),
                      scale = load_group<N>(map.scale, column),
                      slope = load_group<N>(map.slope, column),
                      shift = load_group<N>(map.shift, column);
    const Group<S, N> g = load_group<N>(grad, at), values = load_group<N>(x, at);
    Group<S, N> result{}, old{};
    if (beta != 0) old = load_group<N>(grad_x, at);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      T sum = fused(wide(values.of[i]) - center.of[i], slope.of[i], shift.of[i]);
      sum = fused(wide(g.of[i]), scale.of[i], sum);
      if (beta != 0) sum = fused(beta, wide(old.of[i]), sum);
      result.of[i] = convert<S>(sum);
    }
    store_group(grad_x, at, result);
  }
};

template <class S>
void gradients_of(const BatchNormBackward& op, Stream& stream) {
  using T = Wide<S>;
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  T* numbers = stream.scratch<T>(4 * columns + 1);
  const GradientMap<T> map{numbers, numbers + columns, numbers + 2 * columns,
                           numbers + 3 * columns};
  const double* moments = op.moments.as<double>();
  const SettleGradient<S> settle{moments,
                                 {op.weight.as<S>(), convert<S>(1.0f)},
                                 op.grad_weight.as<S>(),
                                 op.grad_bias.as<S>(),
                                 op.beta_weight,
                                 op.beta_bias,
                                 map,
                                 rows,
                                 columns};
  sum_columns<2>(stream, rows, columns,
                 GradientSums<S>{op.grad.as<S>(), op.x.as<S>(), moments, columns}, settle);
  if (op.grad_x)
    for_matrix(stream, rows, columns,
               MapGradient<S>{op.grad.as<S>(), op.x.as<S>(), op.grad_x.as<S>(), map, columns,
                              T(op.beta_x)});
}

}  // namespace

static void batch_norm_backward(const BatchNormBackward& op, Stream& stream) {
  visit_storage(op.x.dtype, [&]<class S>() {
    if constexpr (!std::is_integral_v<S>) gradients_of<S>(op, stream);
  });
}
ORTHOKIT_KERNEL(BatchNormBackward, batch_norm_backward);

}  // namespace orthokit::cuda
