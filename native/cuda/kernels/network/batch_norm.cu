#include "cuda/column_sums.cuh"
#include "cuda/device/fused.cuh"
#include "cuda/kernels/network/shared/wide.cuh"
#include "cuda/matrix.cuh"
#include "ops/network/batch_norm.h"

namespace orthokit::cuda {
namespace {

// Of distances from the center, or from the first row without one, and of their squares.
template <class S>
struct DistanceSums {
  const S* x;
  const double* center;
  int64_t columns;
  __device__ double middle(int64_t column) const {
    return center ? center[column] : convert<double>(x[column]);
  }
  __device__ void operator()(int64_t row, int64_t column, double (&sums)[2]) const {
    const double distance = convert<double>(x[row * columns + column]) - middle(column);
    sums[0] += distance, sums[1] += distance * distance;
  }
};

template <class S>
struct CenterOfColumn {
  DistanceSums<S> of;
  double* center;
  int64_t rows;
  __device__ void operator()(int64_t column, const double (&sums)[2]) const {
    center[column] = of.middle(column) + sums[0] / double(rows);
  }
};

// (x − center) scale + shift, where the last has what the center lacks of the mean: nothing, if the
// mean is infinite or the scale is.
template <class T>
struct ColumnMap {
  T *center, *scale, *shift;
};

template <class S>
struct SettleColumn {
  using T = Wide<S>;
  DistanceSums<S> of;
  Optional<S> weight, bias;
  T *mean, *variance;  // running ones; null: nobody asks
  double* moments;     // null: nobody asks
  ColumnMap<T> map;
  int64_t rows;
  bool is_running;
  double eps, momentum;

  __device__ static double element(const Optional<S>& x, int64_t column) {
    return convert<double>(x.data ? x.data[column] : x.value);
  }
  __device__ void move_on(T* running, int64_t column, double now) const {
    if (running) running[column] = T((1 - momentum) * double(running[column]) + momentum * now);
  }
  __device__ void operator()(int64_t column, const double (&sums)[2]) const {
    double m = 0, v = 0;
    if (is_running) {
      m = double(mean[column]), v = double(variance[column]);
    } else if (rows > 0) {
      const double count = double(rows), offset = sums[0] / count;
      m = of.middle(column) + offset, v = (sums[1] - sums[0] * offset) / count;
      v = v < 0 ? 0 : v;
      // Of a column with an infinity, the order of its rows would tell whether the mean is one.
      m = isnan(v) ? v : m;
      move_on(mean, column, m), move_on(variance, column, v * (count / (count - 1)));
    }
    const double inverse = 1 / sqrt(v + eps), slope = inverse * element(weight, column);
    if (moments) moments[column] = m, moments[of.columns + column] = inverse;
    map.center[column] = T(m), map.scale[column] = T(slope);
    const double lacking = (m - double(T(m))) * slope;
    map.shift[column] = T(element(bias, column) - (isfinite(lacking) ? lacking : 0));
  }
};

template <class S>
struct MapColumns {
  const S* x;
  S* out;
  ColumnMap<Wide<S>> map;
  int64_t columns;
  template <int N>
  __device__ void operator()(int64_t row, int64_t column) const {
    using T = Wide<S>;
    const Group<T, N> center = load_group<N>(map.center, column),
                      scale = load_group<N>(map.scale, column),
                      shift = load_group<N>(map.shift, column);
    Group<S, N> values = load_group<N>(x, row * columns + column);
#pragma unroll
    for (int i = 0; i < N; ++i)
      values.of[i] = convert<S>(fused(wide(values.of[i]) - center.of[i], scale.of[i], shift.of[i]));
    store_group(out, row * columns + column, values);
  }
};

template <class S>
void batch_norm_of(const BatchNorm& op, Stream& stream) {
  using T = Wide<S>;
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  T* numbers = stream.scratch<T>(3 * columns + 1);
  const ColumnMap<T> map{numbers, numbers + columns, numbers + 2 * columns};
  DistanceSums<S> of{op.x.as<S>(), nullptr, columns};
  if constexpr (std::is_same_v<S, double>) {
    // f64 has no digits to spare: distances from the mean, whose sum mends it.
    if (!op.is_running() && rows > 0) {
      double* center = stream.scratch<double>(columns);
      sum_columns<2>(stream, rows, columns, of, CenterOfColumn<S>{of, center, rows});
      of.center = center;
    }
  }
  const SettleColumn<S> settle{of,
                               {op.weight.as<S>(), convert<S>(1.0f)},
                               {op.bias.as<S>(), convert<S>(0.0f)},
                               op.mean.as<T>(),
                               op.variance.as<T>(),
                               op.moments.as<double>(),
                               map,
                               rows,
                               op.is_running(),
                               op.eps,
                               op.momentum};
  sum_columns<2>(stream, op.is_running() ? 0 : rows, columns, of, settle);
  for_matrix(stream, rows, columns, MapColumns<S>{op.x.as<S>(), op.out.as<S>(), map, columns});
}

}  // namespace

static void batch_norm(const BatchNorm& op, Stream& stream) {
  visit_storage(op.x.dtype, [&]<class S>() {
    if constexpr (!std::is_integral_v<S>) batch_norm_of<S>(op, stream);
  });
}
ORTHOKIT_KERNEL(BatchNorm, batch_norm);

}  // namespace orthokit::cuda
