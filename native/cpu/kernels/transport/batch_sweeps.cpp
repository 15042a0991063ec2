#include "ops/transport/batch_sweeps.h"

#include "cpu/kernels/transport/shared/transport.h"
#include "cpu/slots.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// One problem of the batch, on one thread.
template <class T>
struct BatchProblem {
  const Stream& stream;
  const T* cost;
  const double *r, *c;
  double *u, *w, *exps, *sums, *ratios;
  int64_t n, m;
  double inverse;

  static int64_t scratch(int64_t n, int64_t m) { return 5 * m + std::max(n, m); }

  // The row's mass by the sum of its exponentials, which are by the potential so far and are 0
  // where the row gets none; that makes them the plan's, and its logarithm is what the potential
  // still lacks.
  double ratio_of_row(int64_t i, double total, double* to) const {
    if (r[i] == 0) {
      u[i] = -kInfinite;
    } else {
      if (is_moderate(total)) return r[i] / total;
      double most = -kInfinite;
      for (int64_t j = 0; j < m; ++j)
        most = std::max(most, w[j] - double(cost[i * m + j]) * inverse);
      if (std::isfinite(most)) {
        u[i] = -most;
        exps_of_rows<1>(cost + i * m, w, u + i, inverse, m, to, &total);
        return r[i] / total;
      }
    }
    std::fill_n(to, m, 0.0);
    return 1;
  }

  // Each row's exponentials serve the columns' sums too.
  template <int kRows>
  void update_rows(int64_t first) const {
    constexpr int kTogether = std::min(kRows, 2);
    double* own = ratios + first;
    for (int k = 0; k < kRows; k += kTogether)
      exps_of_rows<kTogether>(cost + (first + k) * m, w, u + first + k, inverse, m, exps + k * m,
                              own + k);
    for (int k = 0; k < kRows; ++k) own[k] = ratio_of_row(first + k, own[k], exps + k * m);
    add_rows<kRows>(exps, exps, own, m, sums);
  }
  void update_rows() const {
    std::fill_n(sums, m, 0.0);
    int64_t i = 0;
    for (; i + 4 <= n && !stream.is_given_up(); i += 4) update_rows<4>(i);
    if (stream.is_given_up()) return;
    for (; i < n; ++i) update_rows<1>(i);
    for (i = 0; i < n; ++i) u[i] += std::numbers::log2e * log_of(ratios[i]);
  }

  double column_error() const {
    return sum_of(m, [&](int64_t j) { return std::abs(sums[j] - c[j]); });
  }

  void update_columns() const {
    int64_t lost = 0;  // sums that may have lost terms that count
    for (int64_t j = 0; j < m; ++j) lost += c[j] != 0 && !(sums[j] >= kLeastSum);
    for (int64_t j = 0; j < m; ++j) ratios[j] = c[j] / sums[j];
    if (lost > 0)
      for (int64_t j = 0; j < m; ++j)
        if (c[j] != 0 && !(sums[j] >= kLeastSum)) {
          const double next = column_potential(cost + j, m, u, n, inverse, c[j]);
          ratios[j] = 1, w[j] = std::isnan(next) ? w[j] : next;
        }
    for (int64_t j = 0; j < m; ++j) {
      const double next = w[j] + std::numbers::log2e * log_of(ratios[j]);
      w[j] = c[j] == 0 ? -kInfinite : next;
    }
  }

  void measure(double* statistics) const {
    double error = 0, linear = 0, dual = 0;
    std::fill_n(sums, m, 0.0);
    for (int64_t i = 0; i < n && !stream.is_given_up(); ++i) {
      Eight total{}, costs{}, potentials{};
      plan_row(cost + i * m, w, u[i], inverse, m, [&](int64_t j, auto count, const Eight& x) {
        Eight own, sum;
        load_some(sums + j, count, 0, sum);
        sum += x, total += x;
        store_some(sum, count, sums + j);
        // A forbidden pair costs nothing, and has no potential that counts.
        load_some(cost + i * m + j, count, 0, own), select(x == 0, x, x * own, own);
        costs += own;
        load_some(w + j, count, 0, own), own += u[i], select(x == 0, x, x * own, own);
        potentials += own;
      });
      error += std::abs(r[i] - total_of(total));
      linear += total_of(costs), dual += total_of(potentials);
    }
    statistics[1] = error + column_error(), statistics[2] = linear, statistics[3] = dual / inverse;
  }

  // Returns how many sweeps it took.
  int64_t run(int64_t count, double tol) const {
    int64_t done = 0;
    for (bool right = false; done < count && !right && !stream.is_given_up(); ++done) {
      update_rows();
      right = column_error() <= tol;
      update_columns();
    }
    return done;
  }
};

void batch_sweeps(const BatchSweeps& op, Stream& stream) {
  const int64_t batch = op.cost.shape[0], n = op.cost.shape[1], m = op.cost.shape[2];
  if (batch == 0) return;
  const double inverse = units_of(op.eps);
  visit(op.cost.dtype, [&]<class T>() {
    const Slots slots(stream, BatchProblem<T>::scratch(n, m));
    stream.parallel(batch, [&](int64_t b) {
      double *f = op.row_potential.as<double>() + b * n,
             *g = op.column_potential.as<double>() + b * m,
             *statistics = op.statistics.as<double>() + 4 * b;
      slots.borrow([&](double* scratch) {
        const BatchProblem<T> problem{stream,
                                      op.cost.as<T>() + b * n * m,
                                      op.row_mass.as<double>() + b * n,
                                      op.column_mass.as<double>() + b * m,
                                      f,
                                      g,
                                      scratch,
                                      scratch + 4 * m,
                                      scratch + 5 * m,
                                      n,
                                      m,
                                      inverse};
        for (int64_t i = 0; i < n; ++i) f[i] *= inverse;
        for (int64_t j = 0; j < m; ++j) g[j] *= inverse;
        statistics[0] = double(problem.run(op.count, op.tol));
        problem.measure(statistics);
        for (int64_t i = 0; i < n; ++i) f[i] /= inverse;
        for (int64_t j = 0; j < m; ++j) g[j] /= inverse;
      });
    });
  });
}
ORTHOKIT_KERNEL(BatchSweeps, batch_sweeps);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
