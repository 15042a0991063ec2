#include "ops/batch_sweeps.h"

#include "cpu/softmax.h"
#include "cpu/transport.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// One problem of the batch, on one thread. Potentials in units of eps.
template <class T>
struct BatchProblem {
  const T* cost;
  const double *r, *c;
  double *u, *w, *exps, *sums;
  int64_t n, m;
  double inverse;

  double column_log_sum(int64_t j) const {
    double most = -kInfinite, sum = 0;
    for (int64_t i = 0; i < n; ++i) most = std::max(most, u[i] - double(cost[i * m + j]) * inverse);
    if (!std::isfinite(most)) return most;
    for (int64_t i = 0; i < n; ++i)
      sum += exp_of_negative(u[i] - double(cost[i * m + j]) * inverse - most);
    return most + std::log(sum);
  }

  // Each row's exponentials serve the columns' sums too.
  void update_rows() const {
    std::fill_n(sums, m, 0.0);
    for (int64_t i = 0; i < n; ++i) {
      if (r[i] == 0) {
        u[i] = -kInfinite;
        continue;
      }
      for (int64_t j = 0; j < m; ++j) exps[j] = w[j] - double(cost[i * m + j]) * inverse;
      const double most = max_of(exps, m);
      if (!std::isfinite(most)) continue;
      const double sum = exps_of(exps, m, most, exps), scale = r[i] / sum;
      u[i] = std::log(r[i]) - most - std::log(sum);
      for (int64_t j = 0; j < m; ++j) sums[j] += scale * exps[j];
    }
  }

  double column_error() const {
    return sum_of(m, [&](int64_t j) { return std::abs(sums[j] - c[j]); });
  }

  void update_columns() const {
    for (int64_t j = 0; j < m; ++j) {
      if (c[j] == 0)
        w[j] = -kInfinite;
      else if (const double log_sum = column_log_sum(j); std::isfinite(log_sum))
        w[j] = std::log(c[j]) - log_sum;
    }
  }

  void measure(double eps, double* statistics) const {
    double error = 0, linear = 0, dual = 0;
    std::fill_n(sums, m, 0.0);
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < m; ++j) {
        exps[j] = exp_in_range(u[i] + w[j] - double(cost[i * m + j]) * inverse);
        sums[j] += exps[j];
      }
      error += std::abs(r[i] - sum_of(m, [&](int64_t j) { return exps[j]; }));
      linear += sum_of(
          m, [&](int64_t j) { return exps[j] == 0 ? 0 : exps[j] * double(cost[i * m + j]); });
      dual += sum_of(m, [&](int64_t j) { return exps[j] == 0 ? 0 : exps[j] * (u[i] + w[j]); });
    }
    statistics[1] = error + column_error(), statistics[2] = linear, statistics[3] = eps * dual;
  }
};

void batch_sweeps(const BatchSweeps& op, Stream& stream) {
  const int64_t batch = op.cost.shape[0], n = op.cost.shape[1], m = op.cost.shape[2];
  if (batch == 0) return;
  auto* scratch = stream.scratch<double>(2 * batch * m);
  visit(op.cost.dtype, [&]<class T>() {
    stream.parallel(batch, [&](int64_t b) {
      double *f = op.row_potential.as<double>() + b * n,
             *g = op.column_potential.as<double>() + b * m,
             *statistics = op.statistics.as<double>() + 4 * b;
      const BatchProblem<T> problem{op.cost.as<T>() + b * n * m,
                                    op.row_mass.as<double>() + b * n,
                                    op.column_mass.as<double>() + b * m,
                                    f,
                                    g,
                                    scratch + 2 * b * m,
                                    scratch + (2 * b + 1) * m,
                                    n,
                                    m,
                                    1 / op.eps};
      for (int64_t i = 0; i < n; ++i) f[i] *= problem.inverse;
      for (int64_t j = 0; j < m; ++j) g[j] *= problem.inverse;
      int64_t done = 0;
      for (bool right = false; done < op.count && !right; ++done) {
        problem.update_rows();
        right = problem.column_error() <= op.tol;
        problem.update_columns();
      }
      statistics[0] = double(done);
      problem.measure(op.eps, statistics);
      for (int64_t i = 0; i < n; ++i) f[i] *= op.eps;
      for (int64_t j = 0; j < m; ++j) g[j] *= op.eps;
    });
  });
}
ORTHOKIT_KERNEL(BatchSweeps, batch_sweeps);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
