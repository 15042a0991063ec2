#include "ops/network/batch_norm.h"

#include <cmath>

#include "cpu/fused.h"
#include "cpu/kernels/network/shared/channels.h"
#include "cpu/kernels/network/shared/column_moments.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

struct BatchStatistics {
  const double *mean, *variance;
};

template <class S>
static BatchStatistics statistics_of(const S* x, int64_t rows, int64_t columns, Stream& stream) {
  auto* center = stream.scratch<double>(2 * columns);
  double* variance = center + columns;
  if (rows > 0)
    column_moments(x, rows, columns, center, variance, stream);
  else
    std::fill_n(center, 2 * columns, 0.0);
  // Of a column with an infinity, the order of its rows would tell whether the mean is one.
  for (int64_t j = 0; j < columns; ++j)
    if (std::isnan(variance[j])) center[j] = variance[j];
  return {center, variance};
}

template <class T>
static void move_on(const BatchNorm& op, const View& running, const double* now, double factor) {
  if (!running) return;
  T* to = running.as<T>();
  for (int64_t j = 0; j < running.size(); ++j)
    to[j] = T((1 - op.momentum) * double(to[j]) + op.momentum * (now[j] * factor));
}

// (x − center) scale + shift, where the last has what the center lacks of the mean: nothing, if the
// mean is infinite or the scale is.
template <class T>
struct ColumnMap {
  T *center, *scale, *shift;
  ColumnMap(int64_t columns, Stream& stream)
      : center(stream.scratch<T>(3 * columns)), scale(center + columns), shift(scale + columns) {}
  void set(int64_t j, double mean, double slope, double bias) {
    center[j] = T(mean), scale[j] = T(slope);
    const double lacking = (mean - double(center[j])) * slope;
    shift[j] = T(std::isfinite(lacking) ? bias - lacking : bias);
  }
};

template <class S>
static void apply(const BatchNorm& op, const ColumnMap<ArithmeticOf<S>>& map, Stream& stream) {
  using T = ArithmeticOf<S>;
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  for_rows_back(stream, rows, columns, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const S* x = op.x.as<S>() + i * columns;
      S* out = op.out.as<S>() + i * columns;
      for_lanes<T>(columns, [&]<class Lanes>(int64_t j) {
        Lanes value, center, scale, shift;
        load_lanes(x + j, value), load_lanes(map.center + j, center);
        load_lanes(map.scale + j, scale), load_lanes(map.shift + j, shift);
        multiply_add_lanes(Lanes(value - center), scale, shift);
        store_lanes(shift, out + j);
      });
    }
  });
}

template <class S>
static void batch_norm(const BatchNorm& op, Stream& stream) {
  using T = ArithmeticOf<S>;
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  const auto element = [](const View& v, int64_t j, double missing) {
    return v ? convert<double>(v.as<S>()[j]) : missing;
  };
  BatchStatistics now{};
  if (!op.is_running()) now = statistics_of(op.x.as<S>(), rows, columns, stream);
  ColumnMap<T> map(columns, stream);
  for (int64_t j = 0; j < columns; ++j) {
    const double mean = op.is_running() ? double(op.mean.as<T>()[j]) : now.mean[j];
    const double variance = op.is_running() ? double(op.variance.as<T>()[j]) : now.variance[j];
    const double inverse = 1 / std::sqrt(variance + op.eps);
    map.set(j, mean, inverse * element(op.weight, j, 1), element(op.bias, j, 0));
    if (op.moments)
      op.moments.as<double>()[j] = mean, op.moments.as<double>()[columns + j] = inverse;
  }
  apply<S>(op, map, stream);
  if (op.is_running()) return;
  move_on<T>(op, op.mean, now.mean, 1);
  move_on<T>(op, op.variance, now.variance, double(rows) / double(rows - 1));
}

void batch_norm(const BatchNorm& op, Stream& stream) {
  visit_storage(op.x.dtype, [&]<class S>() {
    if constexpr (!std::is_integral_v<S>) batch_norm<S>(op, stream);
  });
}
ORTHOKIT_KERNEL(BatchNorm, batch_norm);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
