#include "ops/clustering/task_neighbours.h"

#include <limits>

#include "cpu/chunks.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

static void neighbours_of_row(const TaskNeighbours& op, int64_t task, int64_t i) {
  const int64_t n = op.rows(), count = op.count(), row = task * n + i;
  const double *g = op.products.as<double>() + task * n * n, *own = g + i * n;
  int32_t* index = op.index.as<int32_t>() + row * count;
  double* distances = op.distances.as<double>() + row * count;
  if (i < op.from) {
    std::fill_n(index, count, -1), std::fill_n(distances, count, 0.0);
    return;
  }
  int64_t found = 0;
  for (int64_t j = op.from; count > 0 && j < n; ++j) {
    if (j == i) continue;
    const double square = (own[i] + g[j * n + j]) - 2 * own[j];
    const double d = square != square ? std::numeric_limits<double>::infinity()
                     : square > 0     ? square
                                      : 0;
    if (found == count && !(d < distances[count - 1])) continue;
    int64_t at = found < count ? found++ : count - 1;
    for (; at > 0 && d < distances[at - 1]; --at)
      distances[at] = distances[at - 1], index[at] = index[at - 1];
    distances[at] = d, index[at] = int32_t(j);
  }
}

void task_neighbours(const TaskNeighbours& op, Stream& stream) {
  const int64_t n = op.rows();
  for_rows(stream, op.tasks() * n, n, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) neighbours_of_row(op, i / n, i % n);
  });
}
ORTHOKIT_KERNEL(TaskNeighbours, task_neighbours);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
