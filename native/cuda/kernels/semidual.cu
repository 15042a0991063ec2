#include "cuda/transport.cuh"
#include "ops/semidual.h"

namespace orthokit::cuda {

struct SteppedScale {
  const double *mass, *u, *step;  // step: null if there is none
  double* next;
  __device__ void operator()(int64_t i) const {
    next[i] = mass[i] == 0 ? 0 : step ? u[i] * exp(step[i]) : u[i];
  }
};

struct RightScale {
  const double* mass;
  double* next;
  __device__ void operator()(int64_t j, double sum) const {
    next[j] = mass[j] == 0 ? 0 : mass[j] / sum;
  }
};

template <class T>
struct SemidualRow {
  const T* kernel;
  const double *mass, *u, *v;
  double* sums;
  int64_t columns;
  template <class Team>
  __device__ void operator()(const Team& team, int64_t i) const {
    double sum = 0;
    team.visit(
        columns, [&](int64_t j, T x) { sum += double(x) * v[j]; }, kernel + i * columns);
    sum = team.sum(sum);
    if (team.rank == 0) sums[i] = mass[i] == 0 ? 0 : u[i] * sum;
  }
};

struct SemidualStatistics {
  const double *row_mass, *column_mass, *v, *step, *next_u, *next_v, *sums;
  int64_t rows, columns;
  double* statistics;
  __device__ double size_of(const OneBlock& block, const double* mass, const double* next,
                            int64_t count) const {
    return block.max(count, [&](int64_t i) {
      if (mass[i] == 0) return 0.0;
      return is_scale(next[i]) ? fabs(log(next[i])) : INFINITY;
    });
  }
  __device__ void operator()(const OneBlock& block) const {
    const double largest = fmax(
        fmax(size_of(block, row_mass, next_u, rows), size_of(block, column_mass, next_v, columns)),
        0.0);
    const double error = block.sum(rows, [&](int64_t i) { return fabs(row_mass[i] - sums[i]); });
    double increase = block.sum(columns, [&](int64_t j) {
      return column_mass[j] == 0 ? 0 : column_mass[j] * log(next_v[j] / v[j]);
    });
    if (step)
      increase +=
          block.sum(rows, [&](int64_t i) { return row_mass[i] == 0 ? 0 : row_mass[i] * step[i]; });
    if (!block.is_first()) return;
    const bool good = largest < INFINITY && error < INFINITY;
    statistics[0] = good ? error : INFINITY;
    statistics[1] = good ? increase : -INFINITY;
    statistics[2] = good ? largest : INFINITY;
  }
};

static void semidual(const Semidual& op, Stream& stream) {
  const int64_t n = op.kernel.shape[0], m = op.kernel.shape[1];
  const auto *r = op.row_mass.as<double>(), *c = op.column_mass.as<double>();
  const auto* step = op.step ? op.step.as<double>() : nullptr;
  auto *u = op.next_row_scale.as<double>(), *v = op.next_column_scale.as<double>(),
       *sums = op.row_sums.as<double>();
  for_items(stream, n, SteppedScale{r, op.row_scale.as<double>(), step, u});
  visit(op.kernel.dtype, [&]<class T>() {
    const T* kernel = op.kernel.as<T>();
    reduce_columns<Sum>(stream, n, m, ScaledTerm<T>{kernel, u, m}, RightScale{c, v});
    for_rows(stream, n, m, SemidualRow<T>{kernel, r, u, v, sums, m});
  });
  in_one_block(stream, SemidualStatistics{r, c, op.column_scale.as<double>(), step, u, v, sums, n,
                                          m, op.statistics.as<double>()});
}
ORTHOKIT_KERNEL(Semidual, semidual);

}  // namespace orthokit::cuda
