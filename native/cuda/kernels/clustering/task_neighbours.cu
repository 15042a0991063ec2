#include "cuda/device/launch.cuh"
#include "cuda/kernel.h"
#include "cuda/launch.cuh"
#include "ops/clustering/task_neighbours.h"

namespace orthokit::cuda {

inline constexpr int kNeighbourThreads = 128;

// A thread takes a row.
__global__ void __launch_bounds__(kNeighbourThreads)
    task_neighbours_kernel(const double* products, int64_t tasks, int64_t n, int64_t count,
                           int64_t from, int32_t* all_indices, double* all_distances) {
  for (int64_t row = int64_t(blockIdx.x) * kNeighbourThreads + int(threadIdx.x); row < tasks * n;
       row += int64_t(gridDim.x) * kNeighbourThreads) {
    const int64_t task = row / n, i = row - task * n;
    const double* g = products + task * n * n;
    int32_t* index = all_indices + row * count;
    double* distances = all_distances + row * count;
    if (i < from) {
      for (int64_t c = 0; c < count; ++c) index[c] = -1, distances[c] = 0;
      continue;
    }
    int64_t found = 0;
    const double own = g[i * n + i];
    for (int64_t j = from; j < n; ++j) {
      if (j == i) continue;
      const double square = (own + g[j * n + j]) - 2 * g[i * n + j];
      const double d = isnan(square) ? double(INFINITY) : square > 0 ? square : 0;
      if (found == count && !(d < distances[count - 1])) continue;
      int64_t at = found < count ? found++ : count - 1;
      for (; at > 0 && d < distances[at - 1]; --at)
        distances[at] = distances[at - 1], index[at] = index[at - 1];
      distances[at] = d, index[at] = int32_t(j);
    }
  }
}

static void task_neighbours(const TaskNeighbours& op, Stream& stream) {
  const int64_t rows = op.tasks() * op.rows();
  if (rows == 0 || op.count() == 0) return;
  launch(stream, task_neighbours_kernel,
         {blocks_for((rows + kNeighbourThreads - 1) / kNeighbourThreads), kNeighbourThreads},
         op.products.as<double>(), op.tasks(), op.rows(), op.count(), op.from,
         op.index.as<int32_t>(), op.distances.as<double>());
}
ORTHOKIT_KERNEL(TaskNeighbours, task_neighbours);

}  // namespace orthokit::cuda
