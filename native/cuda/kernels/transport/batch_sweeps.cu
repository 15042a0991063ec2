#include "cuda/kernels/transport/shared/log_sweep.cuh"
#include "ops/transport/batch_sweeps.h"

namespace orthokit::cuda {

inline constexpr int kProblemThreads = 256;

// A problem of the batch, by one block. Potentials in units of eps.
template <class T>
struct BatchProblem {
  const T* cost;
  const double *r, *c;
  double *u, *w, *errors;
  int64_t n, m;
  double inverse;

  __device__ double exponent(int64_t i, int64_t j) const {
    return u[i] + w[j] - double(cost[i * m + j]) * inverse;
  }
  template <class F>
  __device__ static void each(int64_t count, F&& f) {
    for (int64_t i = threadIdx.x; i < count; i += kProblemThreads) f(i);
    __syncthreads();
  }

  // Returns the error of the columns before their update.
  __device__ double sweep() const {
    if (m <= kSmallColumns) return sweep_at_once();
    update_rows();
    return update_columns();
  }

  // A warp a row, whose exponentials serve the columns too.
  __device__ double sweep_at_once() const {
    constexpr int kWarps = kProblemThreads / kWarp;
    __shared__ double of_warp[kWarps][kSmallColumns];
    const int warp = int(threadIdx.x) / kWarp;
    const MatrixRows<T> rows{cost, m};
    const LogSweepRow<T> row{w, r, u, nullptr, m, inverse};
    const UpdateColumn<T> column{cost, u, c, w, errors, nullptr, nullptr, n, m, inverse, 0};
    RegisterTeam<kWarp, kSmallColumns / kWarp, MatrixRows<T>> team(rows, m, 0);
    for (int64_t i = warp; i < n; i += kWarps) {
      team.take(i);
      row(team, i);
    }
    team.store_totals(of_warp[warp]);
    __syncthreads();  // the rows are done
    double error = 0;
    for (int64_t j = threadIdx.x; j < m; j += kProblemThreads) {
      double sum = 0;
      for (int k = 0; k < kWarps; ++k) sum += of_warp[k][j];
      column(j, sum);
      error += errors[j];
    }
    error = block_reduce<Sum>(error);
    __syncthreads();  // the columns are done
    return error;
  }

  // A warp a row.
  __device__ void update_rows() const {
    const int lane = int(threadIdx.x) % kWarp;
    for (int64_t i = threadIdx.x / kWarp; i < n; i += kProblemThreads / kWarp) {
      LogSum mine;
      for (int64_t j = lane; j < m; j += kWarp) mine.add(w[j] - double(cost[i * m + j]) * inverse);
      const double most = warp_reduce<Max>(mine.most);
      const double scale = isfinite(most) ? exp_of_negative(mine.most - most) : 0;
      const double sum = warp_reduce<Sum>(mine.sum * scale);
      if (lane != 0) continue;
      if (r[i] == 0)
        u[i] = -INFINITY;
      else if (isfinite(most))
        u[i] = log(r[i]) - most - log(sum);
    }
    __syncthreads();
  }

  // A thread a column.
  __device__ double update_columns() const {
    double error = 0;
    for (int64_t j = threadIdx.x; j < m; j += kProblemThreads) {
      LogSum sum;
      for (int64_t i = 0; i < n; ++i) sum.add(u[i] - double(cost[i * m + j]) * inverse);
      const double log_sum = sum.value();
      error += fabs(c[j] - exp_in_range(w[j] + log_sum));
      if (c[j] == 0)
        w[j] = -INFINITY;
      else if (isfinite(log_sum))
        w[j] = log(c[j]) - log_sum;
    }
    error = block_reduce<Sum>(error);
    __syncthreads();
    return error;
  }

  __device__ void measure(double eps, double* statistics) const {
    const int lane = int(threadIdx.x) % kWarp;
    double error = 0, linear = 0, dual = 0;
    for (int64_t i = threadIdx.x / kWarp; i < n; i += kProblemThreads / kWarp) {
      double sum = 0;
      for (int64_t j = lane; j < m; j += kWarp) {
        const double p = exp_in_range(exponent(i, j));
        sum += p;
        if (p != 0) linear += p * double(cost[i * m + j]), dual += p * (u[i] + w[j]);
      }
      sum = warp_reduce<Sum>(sum);
      if (lane == 0) error += fabs(r[i] - sum);
    }
    for (int64_t j = threadIdx.x; j < m; j += kProblemThreads) {
      double sum = 0;
      for (int64_t i = 0; i < n; ++i) sum += exp_in_range(exponent(i, j));
      error += fabs(c[j] - sum);
    }
    error = block_reduce<Sum>(error), linear = block_reduce<Sum>(linear);
    dual = block_reduce<Sum>(dual);
    if (threadIdx.x == 0) statistics[1] = error, statistics[2] = linear, statistics[3] = eps * dual;
  }
};

template <class T>
__global__ void __launch_bounds__(kProblemThreads, 2)
    batch_kernel(BatchProblem<T> all, double* statistics, double eps, double tol, int64_t count) {
  const int64_t b = blockIdx.x, n = all.n, m = all.m;
  BatchProblem<T> own = all;
  own.cost += b * n * m, own.r += b * n, own.c += b * m, own.u += b * n, own.w += b * m;
  own.errors += b * m;
  own.each(n, [&](int64_t i) { own.u[i] *= own.inverse; });
  own.each(m, [&](int64_t j) { own.w[j] *= own.inverse; });
  int64_t done = 0;
  for (bool right = false; done < count && !right; ++done) right = own.sweep() <= tol;
  if (threadIdx.x == 0) statistics[4 * b] = double(done);
  own.measure(eps, statistics + 4 * b);
  __syncthreads();  // the potentials have been read
  own.each(n, [&](int64_t i) { own.u[i] *= eps; });
  own.each(m, [&](int64_t j) { own.w[j] *= eps; });
}

static void batch_sweeps(const BatchSweeps& op, Stream& stream) {
  const int64_t batch = op.cost.shape[0], m = op.cost.shape[2];
  if (batch == 0) return;
  visit(op.cost.dtype, [&]<class T>() {
    const BatchProblem<T> all{op.cost.as<T>(),
                              op.row_mass.as<double>(),
                              op.column_mass.as<double>(),
                              op.row_potential.as<double>(),
                              op.column_potential.as<double>(),
                              stream.scratch<double>(batch * m),
                              op.cost.shape[1],
                              m,
                              1 / op.eps};
    launch(stream, batch_kernel<T>, {dim3(unsigned(batch)), kProblemThreads}, all,
           op.statistics.as<double>(), op.eps, op.tol, op.count);
  });
}
ORTHOKIT_KERNEL(BatchSweeps, batch_sweeps);

}  // namespace orthokit::cuda
