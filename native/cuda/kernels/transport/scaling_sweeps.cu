#include "cuda/device/fused.cuh"
#include "cuda/kernels/transport/shared/transport.cuh"
#include "ops/transport/scaling_sweeps.h"

namespace orthokit::cuda {

// On the device: launches that come after the last sweep find it stopped and do nothing.
struct SweepState {
  double done, error, largest, failed, stopped;
};

// A row's scale, and what the row then adds to the sums of the columns.
struct RowScale {
  const SweepState* state;
  const double *v, *mass;
  double* next;
  __device__ bool is_over() const { return state->stopped != 0; }
  template <class Team>
  __device__ void operator()(Team& team, int64_t i) const {
    double sum = 0;
    team.visit(
        [&](const OwnColumn& column, double scale) {
          column.kept = column.value;
          sum = fused(column.kept, scale, sum);
        },
        v);
    sum = team.template reduce<Sum>(sum);
    const double scale = mass[i] == 0 ? 0 : mass[i] / sum;
    if (team.is_first()) next[i] = scale;
    team.visit(
        [&](const OwnColumn& column) { column.total = fused(scale, column.kept, column.total); });
  }
};

struct ColumnScale {
  const SweepState* state;
  const double *v, *mass;
  double *next, *errors;
  __device__ void operator()(int64_t j, double sum) const {
    if (state->stopped != 0) return;
    const double own = mass[j];
    errors[j] = fabs(own - v[j] * sum);
    next[j] = own == 0 ? 0 : own / sum;
  }
};

// Takes the sweep over, unless a scale is none.
struct TakeSweep {
  SweepState* state;
  const double *row_mass, *column_mass, *next_u, *next_v, *errors;
  double *u, *v;
  int64_t rows, columns;
  double tol, most;
  __device__ double size_of(const OneBlock& block, const double* mass, const double* next,
                            int64_t count) const {
    return block.max(count, [&](int64_t i) {
      if (mass[i] == 0) return 0.0;
      return is_scale(next[i]) ? fabs(log(next[i])) : INFINITY;
    });
  }
  __device__ void operator()(const OneBlock& block) const {
    if (state->stopped != 0) return;
    const double largest = fmax(
        fmax(size_of(block, row_mass, next_u, rows), size_of(block, column_mass, next_v, columns)),
        0.0);
    const double error = block.sum(columns, [&](int64_t j) { return errors[j]; });
    const bool failed = !(largest < INFINITY && error < INFINITY);
    __syncthreads();  // all have seen the state as it was
    if (block.is_first()) {
      if (!failed) state->done += 1, state->error = error, state->largest = largest;
      state->failed = failed;
      state->stopped = failed || error <= tol || largest > log(most);
    }
    if (failed) return;
    block.visit(rows, [&](int64_t i) { u[i] = next_u[i]; });
    block.visit(columns, [&](int64_t j) { v[j] = next_v[j]; });
  }
};

struct StartSweeps {
  SweepState* state;
  __device__ void operator()(const OneBlock& block) const {
    if (block.is_first()) *state = {0, INFINITY, 0, 0, 0};
  }
};
struct EndSweeps {
  const SweepState* state;
  double* statistics;
  __device__ void operator()(const OneBlock& block) const {
    if (!block.is_first()) return;
    statistics[0] = state->done, statistics[1] = state->error;
    statistics[2] = state->largest, statistics[3] = state->failed;
  }
};

static void scaling_sweeps(const ScalingSweeps& op, Stream& stream) {
  const int64_t n = op.kernel.shape[0], m = op.kernel.shape[1];
  auto* state = stream.scratch<SweepState>(1);
  auto *next_u = stream.scratch<double>(n), *next_v = stream.scratch<double>(m),
       *errors = stream.scratch<double>(m);
  const auto *r = op.row_mass.as<double>(), *c = op.column_mass.as<double>();
  auto *u = op.row_scale.as<double>(), *v = op.column_scale.as<double>();
  const RowScale row{state, v, r, next_u};
  const ColumnScale column{state, v, c, next_v, errors};
  const TakeSweep take{state, r, c, next_u, next_v, errors, u, v, n, m, op.tol, op.most};
  in_one_block(stream, StartSweeps{state});
  visit(op.kernel.dtype, [&]<class T>() {
    const MatrixRows<T> kernel{op.kernel.as<T>(), m};
    if (is_small(n, m)) {
      run_small_sweeps(stream, op.count, n, m, kernel, row, column, take);
      return;
    }
    PanelSweep panels(stream, {n, m});
    for (int64_t sweep = 0; sweep < op.count; ++sweep) {
      panels.run<Sum>(kernel, row);
      panels.join<Sum>(column);
      in_one_block(stream, take);
    }
  });
  in_one_block(stream, EndSweeps{state, op.statistics.as<double>()});
}
ORTHOKIT_KERNEL(ScalingSweeps, scaling_sweeps);

}  // namespace orthokit::cuda
