#include "ops/clustering/task_features.h"

#include <cmath>

#include "cpu/chunks.h"
#include "cpu/convert.h"
#include "cpu/sums.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T>
static void mean_of_rows(const T* x, int64_t rows, int64_t columns, double* out) {
  std::fill_n(out, columns, 0.0);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) out[j] += double(x[i * columns + j]);
  for (int64_t j = 0; j < columns; ++j) out[j] /= double(std::max<int64_t>(1, rows));
}

template <class T>
static void features_of_task(const TaskFeatures& op, int64_t task, double* means) {
  const int64_t columns = op.columns(), supports = op.supports(), rows = op.rows();
  T* x = op.x.as<T>() + task * rows * columns;
  double* norms = op.norms.as<double>() + task * rows;
  double* center = op.center.as<double>() + task * columns;
  T buffer[kBlock], middle[kBlock];
  for (int64_t i = 0; i < rows; ++i) {
    const bool is_support = i < supports;
    const View& from = is_support ? op.support : op.query;
    const int64_t row = is_support ? task * supports + i : task * (rows - supports) + i - supports;
    T* to = x + i * columns;
    for (int64_t done = 0; done < columns; done += kBlock) {
      const int64_t n = std::min(kBlock, columns - done);
      const T* v = load(from, row * columns + done, n, buffer);
      std::copy_n(v, n, to + done);
      if (!op.mean) continue;
      const T* mean = load(op.mean, done, n, middle);
      for (int64_t j = 0; j < n; ++j) to[done + j] -= mean[j];
    }
    const double norm = std::sqrt(sum_of_squares(to, columns));
    norms[i] = norm;
    if (op.lengths == RowLengths::kUnit && norm != 0)
      for (int64_t j = 0; j < columns; ++j) to[j] = T(double(to[j]) * (1 / norm));
  }
  double *own = means, *other = means + columns;
  const int64_t queries = rows - supports;
  mean_of_rows(x, supports > 0 ? supports : queries, columns, own);
  if (op.shift == QueryShift::kMeans) {
    mean_of_rows(x + supports * columns, queries, columns, other);
    for (int64_t i = supports; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j) x[i * columns + j] += T(own[j] - other[j]);
  }
  const bool is_centred = op.lengths == RowLengths::kOwn;
  for (int64_t j = 0; j < columns; ++j) center[j] = is_centred ? own[j] : 0;
  for (int64_t i = 0; is_centred && i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j)
      x[i * columns + j] = T(double(x[i * columns + j]) - center[j]);
}

void task_features(const TaskFeatures& op, Stream& stream) {
  const int64_t columns = op.columns();
  auto* means = stream.scratch<double>(2 * op.tasks() * columns);
  for_rows(stream, op.tasks(), op.rows() * columns, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t)
      op.x.dtype == Dtype::kF64 ? features_of_task<double>(op, t, means + 2 * t * columns)
                                : features_of_task<float>(op, t, means + 2 * t * columns);
  });
}
ORTHOKIT_KERNEL(TaskFeatures, task_features);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
