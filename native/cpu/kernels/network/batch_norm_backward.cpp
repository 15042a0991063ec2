#include "ops/network/batch_norm_backward.h"

#include <cmath>

#include "cpu/kernels/network/shared/channels.h"
#include "cpu/kernels/network/shared/column_sums.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Σ grad and Σ grad (x − mean).
template <class S>
struct GradientSums {
  const S *grad, *x;
  const double* mean;
  template <class V>
  __attribute__((always_inline)) void operator()(int64_t at, int64_t j, V (&sums)[2]) const {
    V g, value, middle;
    load_wide(grad + at, g), load_wide(x + at, value), load_wide(mean + j, middle);
    sums[0] += g, sums[1] += g * (value - middle);
  }
};

// grad · scale + (x − center) · slope + shift: three numbers of each column, and its center. The
// shift has what the center lacks of the mean: nothing, if the mean is infinite or the slope is.
template <class T>
struct GradientMap {
  T *center, *scale, *slope, *shift;
  GradientMap(int64_t columns, Stream& stream)
      : center(stream.scratch<T>(4 * columns)),
        scale(center + columns),
        slope(scale + columns),
        shift(slope + columns) {}
};

template <class S>
static void apply(const BatchNormBackward& op, const GradientMap<ArithmeticOf<S>>& map,
                  Stream& stream) {
  using T = ArithmeticOf<S>;
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  for_rows_back(stream, rows, columns, [&](int64_t first, int64_t last) {
    for (int64_t at = first * columns; at < last * columns; at += columns) {
      const S *grad = op.grad.as<S>() + at, *x = op.x.as<S>() + at;
      S* out = op.grad_x.as<S>() + at;
      for_lanes<T>(columns, [&]<class Lanes>(int64_t j) {
        Lanes g, value, center, factor, sum;
        load_lanes(x + j, value), load_lanes(map.center + j, center);
        load_lanes(map.slope + j, factor), load_lanes(map.shift + j, sum);
        multiply_add_lanes(Lanes(value - center), factor, sum);
        load_lanes(grad + j, g), load_lanes(map.scale + j, factor);
        multiply_add_lanes(g, factor, sum);
        if (op.beta_x != 0) {
          Lanes old;
          load_lanes(out + j, old);
          multiply_add_lanes(Lanes(Lanes{} + T(op.beta_x)), old, sum);
        }
        store_lanes(sum, out + j);
      });
    }
  });
}

template <class S>
static void batch_norm_backward(const BatchNormBackward& op, Stream& stream) {
  using T = ArithmeticOf<S>;
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  const double *mean = op.moments.as<double>(), *inverse = mean + columns;
  double* sums =
      sum_columns<2>(stream, rows, columns, GradientSums<S>{op.grad.as<S>(), op.x.as<S>(), mean});
  if (op.grad_x) {
    const GradientMap<T> map(columns, stream);
    for (int64_t j = 0; j < columns; ++j) {
      const double scale = inverse[j] * (op.weight ? convert<double>(op.weight.as<S>()[j]) : 1);
      const double slope = -scale * inverse[j] * inverse[j] * sums[columns + j] / double(rows);
      map.center[j] = T(mean[j]), map.scale[j] = T(scale), map.slope[j] = T(slope);
      const double shift = -scale * sums[j] / double(rows),
                   lacking = (mean[j] - double(map.center[j])) * slope;
      map.shift[j] = T(std::isfinite(lacking) ? shift - lacking : shift);
    }
    apply<S>(op, map, stream);
  }
  for (int64_t j = 0; j < columns; ++j) sums[columns + j] *= inverse[j];
  const auto add = [&](const View& out, const double* sum, double beta) {
    if (!out) return;
    S* to = out.as<S>();
    for (int64_t j = 0; j < columns; ++j)
      to[j] = convert<S>(beta == 0 ? sum[j] : sum[j] + beta * convert<double>(to[j]));
  };
  add(op.grad_bias, sums, op.beta_bias), add(op.grad_weight, sums + columns, op.beta_weight);
}

void batch_norm_backward(const BatchNormBackward& op, Stream& stream) {
  visit_storage(op.x.dtype, [&]<class S>() {
    if constexpr (!std::is_integral_v<S>) batch_norm_backward<S>(op, stream);
  });
}
ORTHOKIT_KERNEL(BatchNormBackward, batch_norm_backward);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
