#include "ops/log_sweeps.h"

#include "cpu/softmax.h"
#include "cpu/transport.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Below this a column's sum may have lost terms that count.
static constexpr double kLeastSum = 1e-200;

// ln Σᵢ exp(uᵢ − costᵢⱼ / eps) by its own maximum.
template <class T>
static double log_sum_of_column(const LogSweeps& op, const double* u, int64_t j, double inverse) {
  const int64_t n = op.cost.shape[0], m = op.cost.shape[1];
  const T* cost = op.cost.as<T>() + j;
  double max = -kInfinite, sum = 0;
  for (int64_t i = 0; i < n; ++i) max = std::max(max, u[i] - double(cost[i * m]) * inverse);
  if (!std::isfinite(max)) return max;
  for (int64_t i = 0; i < n; ++i)
    sum += exp_of_negative(u[i] - double(cost[i * m]) * inverse - max);
  return max + std::log(sum);
}

// The row's potential, and what the row then adds to the columns' sums: its exponentials serve both.
template <class T>
static void sweep_row(const T* cost, const double* w, int64_t m, double inverse, double mass,
                      double* exps, double* sums, double& u) {
  if (mass == 0) {
    u = -kInfinite;
    return;
  }
  for (int64_t j = 0; j < m; ++j) exps[j] = w[j] - double(cost[j]) * inverse;
  const double max = max_of(exps, m);
  if (!std::isfinite(max)) return;
  const double sum = exps_of(exps, m, max, exps), scale = mass / sum;
  u = std::log(mass) - max - std::log(sum);
  for (int64_t j = 0; j < m; ++j) sums[j] = fused(scale, exps[j], sums[j]);
}

void log_sweeps(const LogSweeps& op, Stream& stream) {
  const int64_t n = op.cost.shape[0], m = op.cost.shape[1];
  const double inverse = 1 / op.eps;
  const auto *r = op.row_mass.as<double>(), *c = op.column_mass.as<double>();
  double *u = in_units(stream, op.row_potential, inverse),
         *w = in_units(stream, op.column_potential, inverse);
  const TransportPanels panels(n, m);
  auto* exps = stream.scratch<double>(panels.count() * m);
  auto* partial = stream.scratch<double>(panels.count() * m);
  auto* sums = stream.scratch<double>(m);
  auto* errors = stream.scratch<double>(vector_blocks(m));
  visit(op.cost.dtype, [&]<class T>() {
    for (int64_t sweep = 0; sweep < op.count; ++sweep) {
      stream.parallel(panels.count(), [&](int64_t p) {
        std::fill_n(partial + p * m, m, 0.0);
        for (int64_t i = panels.begin(p); i < panels.end(p); ++i)
          sweep_row(op.cost.as<T>() + i * m, w, m, inverse, r[i], exps + p * m, partial + p * m,
                    u[i]);
      });
      for_blocks(stream, m, [&](int64_t block, int64_t first, int64_t last) {
        add_panels(panels.count(), m, partial, first, last, sums);
        errors[block] = sum_of(last - first,
                               [&](int64_t k) { return std::abs(sums[first + k] - c[first + k]); });
        for (int64_t j = first; j < last; ++j) {
          if (c[j] == 0) {
            w[j] = -kInfinite;
          } else if (sums[j] >= kLeastSum) {
            w[j] += std::log(c[j] / sums[j]);
          } else if (const double log = log_sum_of_column<T>(op, u, j, inverse);
                     std::isfinite(log)) {
            w[j] = std::log(c[j]) - log;
          }
        }
      });
    }
  });
  for (int64_t i = 0; i < n; ++i) op.row_potential.as<double>()[i] = op.eps * u[i];
  for (int64_t j = 0; j < m; ++j) op.column_potential.as<double>()[j] = op.eps * w[j];
  double error = 0;
  for (int64_t block = 0; block < vector_blocks(m); ++block) error += errors[block];
  *op.statistics.as<double>() = error;
}
ORTHOKIT_KERNEL(LogSweeps, log_sweeps);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
