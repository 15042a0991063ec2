#include "ops/clustering/task_neighbours.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void task_neighbours(const TaskNeighbours& op) {
  const int64_t n = op.rows(), count = op.count();
  for (int64_t row = 0; row < op.tasks() * n; ++row) {
    const int64_t i = row % n;
    const double* g = values(op.products) + (row - i) * n;
    const auto distance = [&](int64_t j) {
      const double d = (g[i * n + i] + g[j * n + j]) - 2 * g[i * n + j];
      return std::isnan(d) ? std::numeric_limits<double>::infinity() : std::max(d, 0.0);
    };
    std::vector<int64_t> order;
    for (int64_t j = op.from; j < n; ++j)
      if (j != i) order.push_back(j);
    std::ranges::stable_sort(order, {}, distance);
    for (int64_t c = 0; c < count; ++c) {
      const bool is_part = i >= op.from;
      values(op.index)[row * count + c] = is_part ? double(order[size_t(c)]) : -1;
      values(op.distances)[row * count + c] = is_part ? distance(order[size_t(c)]) : 0;
    }
  }
}
ORTHOKIT_REFERENCE(TaskNeighbours, task_neighbours, 8);

}  // namespace orthokit::bench
