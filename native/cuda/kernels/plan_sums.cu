#include "cuda/transport.cuh"
#include "ops/plan_sums.h"

namespace orthokit::cuda {

template <class T>
struct PlanSumsRow {
  const T* cost;
  const double *u, *w;
  double *sums, *costs;
  int64_t columns;
  double inverse;
  template <class Team>
  __device__ void operator()(const Team& team, int64_t i) const {
    double sum = 0, total = 0;
    team.visit(
        columns,
        [&](int64_t j, T v) {
          const double x = double(v), p = exp_in_range(u[i] + w[j] - x * inverse);
          sum += p, total += p == 0 ? 0 : p * x;
        },
        cost + i * columns);
    sum = team.sum(sum), total = team.sum(total);
    if (team.rank == 0) sums[i] = sum, costs[i] = total;
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
    const T* cost = op.cost.as<T>();
    for_rows(stream, n, m, PlanSumsRow<T>{cost, u, w, row_sums, costs, m, inverse});
    reduce_columns<Sum>(stream, n, m, PlanTerm<T>{cost, u, w, m, inverse},
                        StorePlanColumn{column_sums});
  });
  in_one_block(stream,
               PlanStatistics{costs, row_sums, column_sums, op.row_mass.as<double>(),
                              op.column_mass.as<double>(), n, m, op.statistics.as<double>()});
}
ORTHOKIT_KERNEL(PlanSums, plan_sums);

}  // namespace orthokit::cuda
