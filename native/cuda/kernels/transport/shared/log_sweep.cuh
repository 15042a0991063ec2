// One sweep of Sinkhorn's iteration in the log domain: what a row does, and what a column.
#pragma once
#include "cuda/kernels/transport/shared/log_sum.cuh"
#include "cuda/kernels/transport/shared/transport.cuh"
#include "ops/transport/log_sweeps.h"

namespace orthokit::cuda {

// A row's potential, and what the row then adds to the sums of the columns: its exponentials serve
// both, and the kernel too in the sweep that leaves one behind.
template <class T>
struct LogSweepRow {
  static constexpr int kOwnColumnsOfWide = 16;
  const double *w, *mass;
  double* u;
  T* kernel;  // null: none is left behind
  int64_t columns;
  double inverse;
  template <class Team>
  __device__ void operator()(Team& team, int64_t i) const {
    const double own = mass[i];
    double most = -INFINITY, sum = 0, scale = 0;
    if (own != 0) {
      team.visit(
          [&](const OwnColumn& column, double w_of_column) {
            column.kept = w_of_column - column.value * inverse;
            most = fmax(most, column.kept);
          },
          w);
      most = team.template reduce<Max>(most);
    } else if (team.is_first()) {
      u[i] = -INFINITY;
    }
    if (isfinite(most)) {  // the same for the whole team
      team.visit([&](const OwnColumn& column) {
        column.kept = exp_of_negative(column.kept - most);
        sum += column.kept;
      });
      sum = team.template reduce<Sum>(sum);
      scale = own / sum;
      if (team.is_first()) u[i] = log(own) - most - log(sum);
    }
    if (scale == 0 && !kernel) return;
    T* row = kernel ? kernel + i * columns : nullptr;
    team.visit([&](const OwnColumn& column) {
      const double p = scale == 0 ? 0 : scale * column.kept;
      column.total += p;
      if (row) row[column.index] = T(p);
    });
  }
};

template <class T>
struct UpdateColumn {
  const T* cost;
  const double *u, *mass;
  double *w, *errors;
  T* kernel;      // null where w takes the update
  double* scale;  // of the kernel's columns
  int64_t rows, columns;
  double inverse, least_scale_sum;

  // The sum may have lost terms that count: the column's own maximum is needed.
  __device__ bool is_late(int64_t j, double sum) const {
    const double least = scale ? least_scale_sum * mass[j] : kLeastSum;
    return mass[j] != 0 && !(sum >= least && sum < INFINITY);
  }
  __device__ void take(int64_t j, double sum) const {
    errors[j] = fabs(sum - mass[j]);
    const bool late = is_late(j, sum);
    if (scale) scale[j] = mass[j] == 0 ? 0 : late ? 1 : mass[j] / sum;
    if (mass[j] == 0)
      w[j] = -INFINITY;
    else if (!scale && !late)
      w[j] += log(mass[j] / sum);
  }
  __device__ double exponent(int64_t i, int64_t j) const {
    return u[i] - double(cost[i * columns + j]) * inverse;
  }
  // Of the rows first, first + step, …
  __device__ LogSum log_sum_of(int64_t j, int first, int step) const {
    LogSum sum;
    for (int64_t i = first; i < rows; i += step) sum.add(exponent(i, j));
    return sum;
  }
  __device__ void take_log(int64_t j, const LogSum& sum) const {
    const double log_sum = sum.value();
    if (isfinite(log_sum)) w[j] = log(mass[j]) - log_sum;
  }
  // Columns that have moved far are computed anew.
  __device__ bool moves_far(int64_t j, bool late) const { return kernel && (late || mass[j] == 0); }
  __device__ void write_kernel(int64_t j, int first, int step) const {
    for (int64_t i = first; i < rows; i += step)
      kernel[i * columns + j] = T(exp_in_range(exponent(i, j) + w[j]));
  }

  // By one thread.
  __device__ void operator()(int64_t j, double sum) const {
    const bool late = is_late(j, sum);
    take(j, sum);
    if (late) take_log(j, log_sum_of(j, 0, 1));
    if (moves_far(j, late)) write_kernel(j, 0, 1);
  }
};

}  // namespace orthokit::cuda
