#include "cuda/device/fused.cuh"
#include "cuda/transport.cuh"
#include "ops/log_sweeps.h"

namespace orthokit::cuda {

// Below this a column's sum may have lost terms that count.
inline constexpr double kLeastColumnSum = 1e-200;

// A row's potential, and what the row then adds to the sums of the columns: its exponentials serve
// both.
struct LogSweepRow {
  const double *w, *mass;
  double* u;
  double inverse;
  template <class Team>
  __device__ void operator()(Team& team, int64_t i) const {
    const double own = mass[i];
    if (own == 0) {
      if (team.is_first()) u[i] = -INFINITY;
      return;
    }
    double most = -INFINITY, sum = 0;
    team.visit(
        [&](const OwnColumn& column, double w_of_column) {
          column.kept = w_of_column - column.value * inverse;
          most = fmax(most, column.kept);
        },
        w);
    most = team.template reduce<Max>(most);
    if (!isfinite(most)) return;  // the same for the whole team
    team.visit([&](const OwnColumn& column) {
      column.kept = exp_of_negative(column.kept - most);
      sum += column.kept;
    });
    sum = team.template reduce<Sum>(sum);
    if (team.is_first()) u[i] = log(own) - most - log(sum);
    const double scale = own / sum;
    team.visit(
        [&](const OwnColumn& column) { column.total = fused(scale, column.kept, column.total); });
  }
};

// ln Σ exp(x), its largest term apart.
struct LogSum {
  double most = -INFINITY, sum = 0;
  __device__ void add(double x) {
    if (!(x > -INFINITY)) return;
    const double other = exp_of_negative(-fabs(x - most));
    if (x > most)
      sum = fused(sum, other, 1.0), most = x;
    else
      sum += other;
  }
  __device__ void join(const LogSum& other) {
    if (!(other.most > -INFINITY)) return;
    const double least = exp_of_negative(-fabs(other.most - most));
    if (other.most > most)
      sum = fused(sum, least, other.sum), most = other.most;
    else
      sum = fused(other.sum, least, sum);
  }
  __device__ double log_of() const { return most + log(sum); }
};

template <class Rows>
struct UpdateColumn {
  Rows cost;
  const double *u, *mass;
  double *w, *errors;
  int64_t rows;
  double inverse;
  // Whether the sum was of use.
  __device__ bool take(int64_t j, double sum) const {
    errors[j] = fabs(sum - mass[j]);
    const bool good = sum >= kLeastColumnSum && sum < INFINITY;
    if (mass[j] == 0)
      w[j] = -INFINITY;
    else if (good)
      w[j] += log(mass[j] / sum);
    return good || mass[j] == 0;
  }
  // Of every `lanes`-th row.
  __device__ LogSum log_sum_of(int64_t j, int lane, int lanes) const {
    LogSum sum;
    for (int64_t i = lane; i < rows; i += lanes) sum.add(u[i] - double(cost.row(i)[j]) * inverse);
    return sum;
  }
  __device__ void take_log(int64_t j, const LogSum& sum) const {
    if (isfinite(sum.log_of())) w[j] = log(mass[j]) - sum.log_of();
  }
  __device__ void operator()(int64_t j, double sum) const {
    if (!take(j, sum)) take_log(j, log_sum_of(j, 0, 1));
  }
};

// A block 32 columns. Where a sum is of no use, the block goes through the rows once more.
template <class Rows>
__global__ void __launch_bounds__(kPanel* kRowLanes)
    update_columns_kernel(int64_t panels, int64_t columns, const double* partial,
                          UpdateColumn<Rows> update) {
  __shared__ double of_lane[kRowLanes][kPanel], most_of_lane[kRowLanes][kPanel];
  const int own = int(threadIdx.x) % kPanel, lane = int(threadIdx.x) / kPanel;
  const int64_t j = int64_t(blockIdx.x) * kPanel + own;
  double total = 0;
  if (j < columns)
    for (int64_t panel = lane; panel < panels; panel += kRowLanes)
      total += partial[panel * columns + j];
  of_lane[lane][own] = total;
  __syncthreads();  // every lane's total is there
  for (int other = 0; other < kRowLanes; ++other)
    total = other == 0 ? of_lane[0][own] : total + of_lane[other][own];
  bool late = j < columns && update.mass[j] != 0 && !(total >= kLeastColumnSum && total < INFINITY);
  if (lane == 0 && j < columns) update.take(j, total);
  if (!__syncthreads_or(late)) return;
  LogSum sum;
  if (late) sum = update.log_sum_of(j, lane, kRowLanes);
  of_lane[lane][own] = sum.sum, most_of_lane[lane][own] = sum.most;
  __syncthreads();  // every lane's sum is there
  if (!late || lane > 0) return;
  for (int other = 1; other < kRowLanes; ++other)
    sum.join({most_of_lane[other][own], of_lane[other][own]});
  update.take_log(j, sum);
}

struct Nothing {
  __device__ void operator()(const OneBlock&) const {}
};

struct SumOfErrors {
  const double* errors;
  int64_t count;
  double* out;
  __device__ void operator()(const OneBlock& block) const {
    const double total = block.sum(count, [&](int64_t j) { return errors[j]; });
    if (block.is_first()) *out = total;
  }
};

template <class Rows>
static void sweep(Stream& stream, const Rows& cost, int64_t count, int64_t n, int64_t m,
                  const LogSweepRow& row, const UpdateColumn<Rows>& column) {
  if (is_small(n, m)) {
    run_small_sweeps(stream, count, n, m, cost, row, column, Nothing{});
    return;
  }
  const PanelSweep panels(stream, {n, m});
  for (int64_t i = 0; i < count; ++i) {
    panels.run<Sum>(cost, row);
    if (m > 0)
      launch(stream, update_columns_kernel<Rows>,
             {dim3(unsigned((m + kPanel - 1) / kPanel)), kPanel * kRowLanes}, panels.count(), m,
             panels.partial(), column);
  }
}

static void log_sweeps(const LogSweeps& op, Stream& stream) {
  const int64_t n = op.cost.shape[0], m = op.cost.shape[1];
  const double inverse = 1 / op.eps;
  const auto *r = op.row_mass.as<double>(), *c = op.column_mass.as<double>();
  double *u = in_units(stream, op.row_potential, inverse),
         *w = in_units(stream, op.column_potential, inverse);
  auto* errors = stream.scratch<double>(m);
  visit(op.cost.dtype, [&]<class T>() {
    const MatrixRows<T> cost{op.cost.as<T>(), m};
    sweep(stream, cost, op.count, n, m, LogSweepRow{w, r, u, inverse},
          UpdateColumn<MatrixRows<T>>{cost, u, c, w, errors, n, inverse});
  });
  for_items(stream, n, TimesBody{u, op.eps, op.row_potential.as<double>()});
  for_items(stream, m, TimesBody{w, op.eps, op.column_potential.as<double>()});
  in_one_block(stream, SumOfErrors{errors, m, op.statistics.as<double>()});
}
ORTHOKIT_KERNEL(LogSweeps, log_sweeps);

}  // namespace orthokit::cuda
