#include "cuda/kernels/transport/shared/transport.cuh"
#include "ops/transport/semidual.h"

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
        columns, [&](int64_t, T x, double scale) { sum += double(x) * scale; },
        kernel + i * columns, v);
    sum = team.sum(sum);
    if (team.rank == 0) sums[i] = mass[i] == 0 ? 0 : u[i] * sum;
  }
};

struct SemidualStatistics {
  const double *row_mass, *column_mass, *v, *step, *next_u, *next_v, *sums;
  int64_t rows, columns;
  double* statistics;
  static __device__ double size_of(double next) {
    return is_scale(next) ? fabs(log(next)) : INFINITY;
  }
  __device__ void operator()(const OneBlock& block) const {
    double largest = 0, error = 0, of_rows = 0, of_columns = 0;
    block.visit(rows, [&](int64_t i) {
      const double mass = row_mass[i];
      error += fabs(mass - sums[i]);
      if (mass == 0) return;
      largest = fmax(largest, size_of(next_u[i]));
      if (step) of_rows += mass * step[i];
    });
    block.visit(columns, [&](int64_t j) {
      const double mass = column_mass[j], next = next_v[j];
      if (mass == 0) return;
      largest = fmax(largest, size_of(next));
      of_columns += mass * log(next / v[j]);
    });
    largest = block_reduce<Max>(largest), error = block_reduce<Sum>(error);
    const double increase = block_reduce<Sum>(of_columns) + block_reduce<Sum>(of_rows);
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
