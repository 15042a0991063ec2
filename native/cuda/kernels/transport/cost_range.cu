#include "cuda/kernels/transport/shared/transport.cuh"
#include "ops/transport/cost_range.h"

namespace orthokit::cuda {

// Reach of a row or column: nothing, a finite cost, a finite cost to a mass that is not 0.
inline constexpr double kFiniteCost = 1, kMassReached = 2;

struct CostsOfRow {
  double least, most, bad, forbidden, reach;
};

struct ScanCosts {
  const double *row_mass, *column_mass;
  CostsOfRow* out;
  template <class Team>
  __device__ void operator()(Team& team, int64_t i) const {
    CostsOfRow row{INFINITY, -INFINITY, 0, 0, 0};
    const double from_row = row_mass[i] > 0 ? kMassReached : kFiniteCost;
    team.visit(
        [&](const OwnColumn& column, double mass) {
          const double x = column.value;
          if (isfinite(x)) {
            row.least = fmin(row.least, x), row.most = fmax(row.most, x);
            row.reach = fmax(row.reach, mass > 0 ? kMassReached : kFiniteCost);
            column.total = fmax(column.total, from_row);
          } else if (x > 0) {
            row.forbidden += 1;
          } else {
            row.bad += 1;
          }
        },
        column_mass);
    row.least = -team.template reduce<Max>(-row.least);
    row.most = team.template reduce<Max>(row.most);
    row.reach = team.template reduce<Max>(row.reach);
    row.bad = team.template reduce<Sum>(row.bad);
    row.forbidden = team.template reduce<Sum>(row.forbidden);
    if (team.is_first()) out[i] = row;
  }
};

struct StoreReach {
  double* reach;
  __device__ void operator()(int64_t j, double most) const { reach[j] = most; }
};

struct JoinCosts {
  const CostsOfRow* of_row;
  const double *reach, *row_mass, *column_mass;
  int64_t rows, columns;
  double* statistics;
  __device__ void operator()(const OneBlock& block) const {
    double least = INFINITY, most = -INFINITY, bad = 0, forbidden = 0;
    // Rows, columns; first without a finite cost, then without one to a mass.
    double without[4] = {};
    block.visit(rows, [&](int64_t i) {
      const CostsOfRow row = of_row[i];
      least = fmin(least, row.least), most = fmax(most, row.most);
      bad += row.bad, forbidden += row.forbidden;
      const bool counts = row_mass[i] > 0;
      without[0] += counts && row.reach < kFiniteCost;
      without[2] += counts && row.reach < kMassReached;
    });
    block.visit(columns, [&](int64_t j) {
      const bool counts = column_mass[j] > 0;
      const double reached = reach[j];
      without[1] += counts && !(reached >= kFiniteCost);
      without[3] += counts && !(reached >= kMassReached);
    });
    least = -block_reduce<Max>(-least), most = block_reduce<Max>(most);
    bad = block_reduce<Sum>(bad), forbidden = block_reduce<Sum>(forbidden);
    for (double& count : without) count = block_reduce<Sum>(count);
    if (!block.is_first()) return;
    const bool any = least <= most;
    statistics[0] = any ? least : 0, statistics[1] = any ? most : 0;
    statistics[2] = bad, statistics[3] = forbidden;
    for (int k = 0; k < 4; ++k) statistics[4 + k] = without[k];
  }
};

static void cost_range(const CostRange& op, Stream& stream) {
  const int64_t n = op.cost.shape[0], m = op.cost.shape[1];
  auto* of_row = stream.scratch<CostsOfRow>(n);
  auto* reach = stream.scratch<double>(m);
  const auto *r = op.row_mass.as<double>(), *c = op.column_mass.as<double>();
  visit(op.cost.dtype, [&]<class T>() {
    PanelSweep panels(stream, {n, m});
    panels.run<Max>(MatrixRows<T>{op.cost.as<T>(), m}, ScanCosts{r, c, of_row});
    panels.join<Max>(StoreReach{reach});
  });
  in_one_block(stream, JoinCosts{of_row, reach, r, c, n, m, op.statistics.as<double>()});
}
ORTHOKIT_KERNEL(CostRange, cost_range);

}  // namespace orthokit::cuda
