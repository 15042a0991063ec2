#include "cuda/kernels/transport/shared/log_sweep.cuh"
#include "ops/transport/log_sweeps.h"

namespace orthokit::cuda {

// A block 32 columns, a warp for every kRowLanes-th of the panels, and of the rows where sums are
// late.
template <class T>
__global__ void __launch_bounds__(kPanel* kRowLanes)
    update_columns_kernel(int64_t panels, const double* partial, UpdateColumn<T> update) {
  __shared__ double of_lane[kRowLanes][kPanel], most_of_lane[kRowLanes][kPanel];
  const int own = int(threadIdx.x) % kPanel, lane = int(threadIdx.x) / kPanel;
  const int64_t j = int64_t(blockIdx.x) * kPanel + own;
  const bool exists = j < update.columns;
  double total = 0;
  if (exists)
    for (int64_t panel = lane; panel < panels; panel += kRowLanes)
      total += partial[panel * update.columns + j];
  of_lane[lane][own] = total;
  __syncthreads();  // every lane's total is there
  total = of_lane[0][own];
  for (int other = 1; other < kRowLanes; ++other) total += of_lane[other][own];
  const bool late = exists && update.is_late(j, total);
  const bool far = exists && update.moves_far(j, late);
  if (exists && lane == 0) update.take(j, total);
  // Each warp has all columns of the block: they go on, or return, together.
  if (__any_sync(kFullWarp, late)) {
    LogSum sum;
    if (late) sum = update.log_sum_of(j, lane, kRowLanes);
    __syncthreads();  // the totals have been read
    of_lane[lane][own] = sum.sum, most_of_lane[lane][own] = sum.most;
    __syncthreads();  // every lane's sum is there
    if (late && lane == 0) {
      for (int other = 1; other < kRowLanes; ++other)
        sum.add({most_of_lane[other][own], of_lane[other][own]});
      update.take_log(j, sum);
    }
  }
  if (!__any_sync(kFullWarp, far)) return;
  __syncthreads();  // the columns have their potentials
  if (far) update.write_kernel(j, lane, kRowLanes);
}

struct SumOfErrors {
  const double* errors;
  int64_t count;
  double* out;
  __device__ void operator()(const OneBlock& block) const {
    const double total = block.sum(count, [&](int64_t j) { return errors[j]; });
    if (block.is_first()) *out = total;
  }
};

template <class T>
static void sweep(Stream& stream, PanelSweep& panels, int64_t count, int64_t rows,
                  const LogSweepRow<T>& row, const UpdateColumn<T>& column) {
  const int64_t columns = column.columns;
  const MatrixRows<T> cost{column.cost, columns};
  if (is_small(rows, columns)) {
    if (count > 0)
      run_small_sweeps(stream, count, rows, columns, cost, row, column, NothingAfter{});
    return;
  }
  const Grid grid{dim3(unsigned((columns + kPanel - 1) / kPanel)), kPanel * kRowLanes};
  for (int64_t k = 0; k < count; ++k) {
    panels.run<Sum>(cost, row);
    launch(stream, update_columns_kernel<T>, grid, panels.count(), panels.partial(), column);
  }
}

template <class T>
static void run(const LogSweeps& op, Stream& stream) {
  const int64_t n = op.cost.shape[0], m = op.cost.shape[1];
  const double inverse = 1 / op.eps;
  double *u = in_units(stream, op.row_potential, inverse),
         *w = in_units(stream, op.column_potential, inverse);
  auto* errors = stream.scratch<double>(m);
  LogSweepRow<T> row{w, op.row_mass.as<double>(), u, nullptr, m, inverse};
  UpdateColumn<T> column{op.cost.as<T>(),
                         u,
                         op.column_mass.as<double>(),
                         w,
                         errors,
                         nullptr,
                         nullptr,
                         n,
                         m,
                         inverse,
                         least_sum_of(op.cost.dtype)};
  PanelSweep panels(stream, {n, m});
  sweep(stream, panels, op.count - (op.kernel ? 1 : 0), n, row, column);
  if (op.kernel) {
    row.kernel = column.kernel = op.kernel.as<T>(), column.scale = op.column_scale.as<double>();
    sweep(stream, panels, 1, n, row, column);
  }
  for_items(stream, n, TimesBody{u, op.eps, op.row_potential.as<double>()});
  for_items(stream, m, TimesBody{w, op.eps, op.column_potential.as<double>()});
  in_one_block(stream, SumOfErrors{errors, m, op.statistics.as<double>()});
}

static void log_sweeps(const LogSweeps& op, Stream& stream) {
  visit(op.cost.dtype, [&]<class T>() { run<T>(op, stream); });
}
ORTHOKIT_KERNEL(LogSweeps, log_sweeps);

}  // namespace orthokit::cuda
