#include "cuda/columns.cuh"
#include "cuda/transport.cuh"
#include "ops/log_sweeps.h"

namespace orthokit::cuda {

// exp(uᵢ + wⱼ − costᵢⱼ / eps), as a term down the columns.
template <class T>
struct PlanTerm {
  const T* cost;
  const double *u, *w;
  int64_t columns;
  double inverse;
  __device__ double operator()(int64_t i, int64_t j) const {
    return exp_in_range(u[i] + w[j] - double(cost[i * columns + j]) * inverse);
  }
};

template <class T>
struct LogSweepRow {
  const T* cost;
  const double *w, *mass;
  double* u;
  int64_t columns;
  double inverse;
  template <class Team>
  __device__ void operator()(const Team& team, int64_t i) const {
    const T* row = cost + i * columns;
    double most = -INFINITY, sum = 0;
    team.visit(
        columns, [&](int64_t j, T x) { most = fmax(most, w[j] - double(x) * inverse); }, row);
    most = team.template reduce<Max>(most);
    team.visit(
        columns, [&](int64_t j, T x) { sum += exp_of_negative(w[j] - double(x) * inverse - most); },
        row);
    sum = team.sum(sum);
    if (team.rank != 0) return;
    if (mass[i] == 0)
      u[i] = -INFINITY;
    else if (isfinite(most))
      u[i] = log(mass[i]) - most - log(sum);
  }
};

template <class T>
struct UpdateColumn {
  const T* cost;
  const double *u, *mass;
  double *w, *errors, *scale;  // scale: null where w takes the update
  int64_t rows, columns;
  double inverse, least_scale_sum;
  __device__ void operator()(int64_t j, double sum) const {
    errors[j] = fabs(sum - mass[j]);
    if (scale) scale[j] = mass[j] == 0 ? 0 : 1;
    if (mass[j] == 0) {
      w[j] = -INFINITY;
    } else if (scale && sum >= least_scale_sum * mass[j] && sum < INFINITY) {
      scale[j] = mass[j] / sum;
    } else if (!scale && sum >= kLeastSum && sum < INFINITY) {
      w[j] += log(mass[j] / sum);
    } else if (const double log_sum = log_sum_of(j); isfinite(log_sum)) {
      w[j] = log(mass[j]) - log_sum;
    }
  }
  // By the column's own maximum.
  __device__ double log_sum_of(int64_t j) const {
    double most = -INFINITY, sum = 0;
    for (int64_t i = 0; i < rows; ++i)
      most = fmax(most, u[i] - double(cost[i * columns + j]) * inverse);
    if (!isfinite(most)) return most;
    for (int64_t i = 0; i < rows; ++i)
      sum += exp_of_negative(u[i] - double(cost[i * columns + j]) * inverse - most);
    return most + log(sum);
  }
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

static void log_sweeps(const LogSweeps& op, Stream& stream) {
  const int64_t n = op.cost.shape[0], m = op.cost.shape[1];
  const double inverse = 1 / op.eps;
  const auto *r = op.row_mass.as<double>(), *c = op.column_mass.as<double>();
  double *u = in_units(stream, op.row_potential, inverse),
         *w = in_units(stream, op.column_potential, inverse);
  auto* errors = stream.scratch<double>(m);
  visit(op.cost.dtype, [&]<class T>() {
    const T* cost = op.cost.as<T>();
    for (int64_t sweep = 1; sweep <= op.count; ++sweep) {
      auto* scale = op.kernel && sweep == op.count ? op.column_scale.as<double>() : nullptr;
      for_rows(stream, n, m, LogSweepRow<T>{cost, w, r, u, m, inverse});
      reduce_columns<Sum>(stream, n, m, PlanTerm<T>{cost, u, w, m, inverse},
                          UpdateColumn<T>{cost, u, c, w, errors, scale, n, m, inverse,
                                          least_sum_of(op.cost.dtype)});
    }
    if (op.kernel) write_kernel(stream, cost, u, w, inverse, n, m, op.kernel.as<T>());
  });
  for_items(stream, n, TimesBody{u, op.eps, op.row_potential.as<double>()});
  for_items(stream, m, TimesBody{w, op.eps, op.column_potential.as<double>()});
  in_one_block(stream, SumOfErrors{errors, m, op.statistics.as<double>()});
}
ORTHOKIT_KERNEL(LogSweeps, log_sweeps);

}  // namespace orthokit::cuda
