#include "cuda/kernels/transport/shared/transport.cuh"
#include "ops/transport/plan_sums.h"

namespace orthokit::cuda {

struct PlanSumsRow {
  const double *u, *w;
  double *sums, *costs;
  double inverse;
  template <class Team>
  __device__ void operator()(Team& team, int64_t i) const {
    const double own = u[i];
    double sum = 0, total = 0;
    team.visit(
        [&](const OwnColumn& column, double w_of_column) {
          const double x = column.value, p = exp_in_range(own + w_of_column - x * inverse);
          sum += p, total += p == 0 ? 0 : p * x, column.total += p;
        },
        w);
    sum = team.template reduce<Sum>(sum), total = team.template reduce<Sum>(total);
    if (team.is_first()) sums[i] = sum, costs[i] = total;
  }
};

struct StorePlanColumn {
  double* sums;
  __device__ void operator()(int64_t j, double sum) const { sums[j] = sum; }
};

struct PlanStatistics {
  const double *costs, *row_sums, *column_sums, *row_mass, *column_mass;
  int64_t rows, columns;
  double* statistics;
  __device__ void operator()(const OneBlock& block) const {
    const double cost = block.sum(rows, [&](int64_t i) { return costs[i]; });
    const double mass = block.sum(rows, [&](int64_t i) { return row_sums[i]; });
    const double row_error =
        block.sum(rows, [&](int64_t i) { return fabs(row_mass[i] - row_sums[i]); });
    const double column_error =
        block.sum(columns, [&](int64_t j) { return fabs(column_mass[j] - column_sums[j]); });
    if (!block.is_first()) return;
    statistics[0] = cost, statistics[1] = mass;
    statistics[2] = row_error, statistics[3] = column_error;
  }
};

static void plan_sums(const PlanSums& op, Stream& stream) {
  const int64_t n = op.cost.shape[0], m = op.cost.shape[1];
  const double inverse = 1 / op.eps;
  const double *u = in_units(stream, op.row_potential, inverse),
               *w = in_units(stream, op.column_potential, inverse);
  auto *row_sums = op.row_sums.as<double>(), *column_sums = op.column_sums.as<double>(),
       *costs = stream.scratch<double>(n);
  visit(op.cost.dtype, [&]<class T>() {
    PanelSweep panels(stream, {n, m});
    panels.run<Sum>(MatrixRows<T>{op.cost.as<T>(), m}, PlanSumsRow{u, w, row_sums, costs, inverse});
    panels.join<Sum>(StorePlanColumn{column_sums});
  });
  in_one_block(stream,
               PlanStatistics{costs, row_sums, column_sums, op.row_mass.as<double>(),
                              op.column_mass.as<double>(), n, m, op.statistics.as<double>()});
}
ORTHOKIT_KERNEL(PlanSums, plan_sums);

}  // namespace orthokit::cuda
