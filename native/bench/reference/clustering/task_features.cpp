#include "ops/clustering/task_features.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void task_features(const TaskFeatures& op) {
  const int64_t supports = op.supports(), queries = op.query.shape[1], rows = op.rows(),
                columns = op.columns();
  for (int64_t t = 0; t < op.tasks(); ++t) {
    double* x = values(op.x) + t * rows * columns;
    for (int64_t i = 0; i < rows; ++i) {
      const double* v = i < supports ? values(op.support) + (t * supports + i) * columns
                                     : values(op.query) + (t * queries + i - supports) * columns;
      for (int64_t j = 0; j < columns; ++j)
        x[i * columns + j] = v[j] - (op.mean ? values(op.mean)[j] : 0);
      const double norm = norm_of(x + i * columns, columns);
      values(op.norms)[t * rows + i] = norm;
      for (int64_t j = 0; op.lengths == RowLengths::kUnit && norm != 0 && j < columns; ++j)
        x[i * columns + j] /= norm;
    }
    for (int64_t j = 0; j < columns; ++j) {
      long double support = 0, query = 0;
      for (int64_t i = 0; i < supports; ++i) support += x[i * columns + j];
      for (int64_t i = supports; i < rows; ++i) query += x[i * columns + j];
      const long double own = support / std::max<int64_t>(1, supports),
                        other = query / std::max<int64_t>(1, queries);
      const bool is_centred = op.lengths == RowLengths::kOwn;
      const long double center = !is_centred ? 0 : supports > 0 ? own : other;
      // Queries are given about the mean that they are moved to: it never counts, whatever it is.
      const bool cancels = is_centred && supports > 0;
      const long double moved = op.shift != QueryShift::kMeans ? -center
                                : cancels                      ? -other
                                                               : own - other - center;
      values(op.center)[t * columns + j] = double(center);
      for (int64_t i = 0; i < rows; ++i)
        x[i * columns + j] += double(i < supports ? -center : moved);
    }
  }
}
ORTHOKIT_REFERENCE(TaskFeatures, task_features, growth_of_sum(op.rows() + op.columns()));

}  // namespace orthokit::bench
