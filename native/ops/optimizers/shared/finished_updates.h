// Steps whose `grads` are finished updates that were made of other gradients, such as
// orthogonalized ones: what goes into the statistics is then of those gradients, and of a larger
// list.
#pragma once
#include <vector>

#include "ops/optimizers/shared/step.h"

namespace orthokit {

inline void name_finished_updates(Step& step, Fields& f) {
  f.in("gradSquares", step.grad_squares, kOptional);
  f.value("statisticsRows", step.statistics_rows);
}

inline void check_finished_updates(auto require, const Step& step) {
  const int64_t count = step.weights.count;
  if (step.grad_squares)
    require.array("gradSquares must be f64 with one element a weight", step.grad_squares,
                  Dtype::kF64, count);
  const List<double>& rows = step.statistics_rows;
  if (rows.count == 0) return;
  require(rows.count == count, ErrorCode::kArgument,
          "statisticsRows must be as many as weights, or none", double(rows.count));
  const int64_t last = step.statistics ? step.statistics.size() / 3 : 0;
  std::vector<bool> taken(size_t(last), false);
  for (const double row : rows) {
    const bool good = row >= 0 && row < double(last) && row == double(int64_t(row));
    require(good && !taken[size_t(row)], ErrorCode::kArgument,
            "statisticsRows must be different rows of statistics", row);
    taken[size_t(row)] = true;
  }
}

}  // namespace orthokit
