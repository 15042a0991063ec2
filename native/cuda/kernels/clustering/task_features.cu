#include <type_traits>

#include "cuda/convert.cuh"
#include "cuda/device/reduce.cuh"
#include "cuda/kernel.h"
#include "cuda/launch.cuh"
#include "ops/clustering/task_features.h"
#include "ops/shared/square_range.h"

namespace orthokit::cuda {

inline constexpr int kFeatureThreads = 256;

template <class S, class T>
struct FeatureRows {
  const S *support, *query, *mean;
  T* x;
  double *norms, *center;
  int64_t supports, queries, columns;
  bool is_unit, is_shifted;
};

// A block takes a row: its elements less the mean, its norm.
template <class S, class T>
__global__ void __launch_bounds__(kFeatureThreads)
    feature_rows_kernel(FeatureRows<S, T> f, int64_t count) {
  const int64_t rows = f.supports + f.queries;
  for (int64_t row = blockIdx.x; row < count; row += gridDim.x) {
    const int64_t task = row / rows, i = row - task * rows;
    const S* v = i < f.supports ? f.support + (task * f.supports + i) * f.columns
                                : f.query + (task * f.queries + i - f.supports) * f.columns;
    double square = 0;
    for (int64_t j = int(threadIdx.x); j < f.columns; j += kFeatureThreads) {
      const double value = convert<double>(v[j]) - (f.mean ? convert<double>(f.mean[j]) : 0);
      square += value * value, f.x[row * f.columns + j] = T(value);
    }
    const double squares = block_reduce<Sum>(square);
    double norm = sqrt(squares);
    if constexpr (std::is_same_v<T, double>) {
      const double scale = scale_for(squares);
      if (scale != 1) {
        double scaled = 0;
        for (int64_t j = int(threadIdx.x); j < f.columns; j += kFeatureThreads) {
          const double value = scale * f.x[row * f.columns + j];
          scaled += value * value;
        }
        norm = sqrt(block_reduce<Sum>(scaled)) / scale;
      }
    }
    if (threadIdx.x == 0) f.norms[row] = norm;
    const double factor = 1 / norm;
    // A norm of f32 has an inverse.
    const bool is_tiny = std::is_same_v<T, double> && isinf(factor);
    for (int64_t j = int(threadIdx.x); f.is_unit && norm != 0 && j < f.columns;
         j += kFeatureThreads) {
      const double value = f.x[row * f.columns + j];
      f.x[row * f.columns + j] = T(is_tiny ? value / norm : value * factor);
    }
  }
}

// A thread takes a column of a task.
template <class S, class T>
__global__ void __launch_bounds__(kFeatureThreads)
    feature_means_kernel(FeatureRows<S, T> f, int64_t count) {
  const int64_t rows = f.supports + f.queries;
  for (int64_t at = int64_t(blockIdx.x) * kFeatureThreads + int(threadIdx.x); at < count;
       at += int64_t(gridDim.x) * kFeatureThreads) {
    const int64_t task = at / f.columns;
    T* x = f.x + task * rows * f.columns + (at - task * f.columns);
    double support = 0, query = 0;
    for (int64_t i = 0; i < rows; ++i)
      (i < f.supports ? support : query) += double(x[i * f.columns]);
    support /= double(f.supports > 1 ? f.supports : 1);
    query /= double(f.queries > 1 ? f.queries : 1);
    const double middle = f.is_unit ? 0 : f.supports > 0 ? support : query;
    // The mean that queries are moved to, where it is then taken away, never counts.
    const double shifted = !f.is_unit && f.supports > 0 ? -query : support - query - middle;
    const double moved = f.is_shifted ? shifted : -middle;
    f.center[at] = middle;
    for (int64_t i = 0; i < rows; ++i)
      x[i * f.columns] = T(double(x[i * f.columns]) + (i < f.supports ? -middle : moved));
  }
}

template <class S, class T>
static void find_features(const TaskFeatures& op, Stream& stream) {
  const FeatureRows<S, T> f{op.support.as<S>(),
                            op.query.as<S>(),
                            op.mean.as<S>(),
                            op.x.as<T>(),
                            op.norms.as<double>(),
                            op.center.as<double>(),
                            op.supports(),
                            op.query.shape[1],
                            op.columns(),
                            op.lengths == RowLengths::kUnit,
                            op.shift == QueryShift::kMeans};
  const int64_t rows = op.norms.size(), columns = op.center.size(),
                groups = (columns + kFeatureThreads - 1) / kFeatureThreads;
  if (rows > 0)
    launch(stream, feature_rows_kernel<S, T>, {blocks_for(rows), kFeatureThreads}, f, rows);
  if (columns > 0)
    launch(stream, feature_means_kernel<S, T>, {blocks_for(groups), kFeatureThreads}, f, columns);
}

template <class S>
static void find_features_of(const TaskFeatures& op, Stream& stream) {
  op.x.dtype == Dtype::kF64 ? find_features<S, double>(op, stream)
                            : find_features<S, float>(op, stream);
}

static void task_features(const TaskFeatures& op, Stream& stream) {
  switch (op.query.dtype) {
    case Dtype::kF16:
      return find_features_of<Half>(op, stream);
    case Dtype::kBf16:
      return find_features_of<Bfloat16>(op, stream);
    case Dtype::kF64:
      return find_features<double, double>(op, stream);
    default:
      return find_features_of<float>(op, stream);
  }
}
ORTHOKIT_KERNEL(TaskFeatures, task_features);

}  // namespace orthokit::cuda
