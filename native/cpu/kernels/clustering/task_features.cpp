#include "ops/clustering/task_features.h"

#include <cmath>

#include "cpu/chunks.h"
#include "cpu/convert.h"
#include "cpu/kernels/reductions/shared/reduction.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

namespace {

template <class T>
class FeaturesOfTask {
 public:
  FeaturesOfTask(const TaskFeatures& op, int64_t task, double* means)
      : op_(op),
        task_(task),
        columns_(op.columns()),
        supports_(op.supports()),
        rows_(op.rows()),
        means_(means),
        other_(means + columns_),
        x_(op.x.as<T>() + task * rows_ * columns_),
        norms_(op.norms.as<double>() + task * rows_),
        center_(op.center.as<double>() + task * columns_) {}

  // Row by row while it is near; only what needs the means of all goes over them again.
  void run() const {
    const bool is_shifted = op_.shift == QueryShift::kMeans;
    const bool asks_queries = is_shifted || supports_ == 0;
    std::fill_n(means_, columns_, 0.0), std::fill_n(other_, columns_, 0.0);
    for (int64_t i = 0; i < rows_; ++i) {
      T* row = x_ + i * columns_;
      read(i, row), scale(row, norms_[i]);
      if (i < supports_ || asks_queries) add(row, i < supports_ ? means_ : other_);
    }
    divide(means_, supports_), divide(other_, rows_ - supports_);
    const bool is_centred = op_.lengths == RowLengths::kOwn;
    for (int64_t j = 0; j < columns_; ++j) {
      const double own = means_[j], other = other_[j];
      const double center = is_centred ? (supports_ > 0 ? own : other) : 0;
      // The mean that queries are moved to, where it is then taken away, never counts.
      const double shifted = is_centred && supports_ > 0 ? -other : own - other - center;
      center_[j] = center, other_[j] = is_shifted ? shifted : -center;
    }
    for (int64_t i = 0; is_centred && i < supports_; ++i) move(i, center_, -1);
    for (int64_t i = supports_; (is_centred || is_shifted) && i < rows_; ++i) move(i, other_, 1);
  }

 private:
  void read(int64_t i, T* row) const {
    const bool is_support = i < supports_;
    const int64_t of_task =
        is_support ? task_ * supports_ + i : task_ * (rows_ - supports_) + i - supports_;
    convert_block(is_support ? op_.support : op_.query, of_task * columns_, columns_, op_.x.dtype,
                  row);
    if (!op_.mean) return;
    T buffer[kBlock];
    for (int64_t done = 0; done < columns_; done += kBlock) {
      const int64_t n = std::min(kBlock, columns_ - done);
      const T* mean = load(op_.mean, done, n, buffer);
      for (int64_t j = 0; j < n; ++j) row[done + j] -= mean[j];
    }
  }
  void scale(T* row, double& norm) const {
    norm = reduced(Reduction::kNorm, row, columns_);
    if (op_.lengths != RowLengths::kUnit || norm == 0) return;
    const double factor = 1 / norm;
    const bool is_tiny = std::isinf(factor);
    for (int64_t j = 0; j < columns_; ++j)
      row[j] = T(is_tiny ? double(row[j]) / norm : double(row[j]) * factor);
  }
  void add(const T* row, double* sums) const {
    for (int64_t j = 0; j < columns_; ++j) sums[j] += double(row[j]);
  }
  void move(int64_t i, const double* by, double sign) const {
    T* row = x_ + i * columns_;
    for (int64_t j = 0; j < columns_; ++j) row[j] = T(double(row[j]) + sign * by[j]);
  }
  void divide(double* sums, int64_t rows) const {
    for (int64_t j = 0; j < columns_; ++j) sums[j] /= double(std::max<int64_t>(1, rows));
  }

  const TaskFeatures& op_;
  int64_t task_, columns_, supports_, rows_;
  double *means_, *other_;
  T* x_;
  double *norms_, *center_;
};

}  // namespace

void task_features(const TaskFeatures& op, Stream& stream) {
  const int64_t columns = op.columns();
  auto* means = stream.scratch<double>(2 * op.tasks() * columns);
  for_rows(stream, op.tasks(), op.rows() * columns, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t)
      op.x.dtype == Dtype::kF64 ? FeaturesOfTask<double>(op, t, means + 2 * t * columns).run()
                                : FeaturesOfTask<float>(op, t, means + 2 * t * columns).run();
  });
}
ORTHOKIT_KERNEL(TaskFeatures, task_features);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
