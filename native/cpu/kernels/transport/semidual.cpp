#include "ops/transport/semidual.h"

#include "cpu/kernels/transport/shared/transport.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void semidual(const Semidual& op, Stream& stream) {
  const int64_t n = op.kernel.shape[0], m = op.kernel.shape[1];
  const TransportPanels panels(n, m);
  const auto *r = op.row_mass.as<double>(), *c = op.column_mass.as<double>();
  const auto *u = op.row_scale.as<double>(), *v = op.column_scale.as<double>();
  const auto* step = op.step ? op.step.as<double>() : nullptr;
  auto *next_u = op.next_row_scale.as<double>(), *next_v = op.next_column_scale.as<double>(),
       *row_sums = op.row_sums.as<double>();
  if (step)
    for (int64_t i = 0; i < n; ++i) next_u[i] = r[i] == 0 ? 0 : u[i] * exp_of(step[i]);
  else
    for (int64_t i = 0; i < n; ++i) next_u[i] = r[i] == 0 ? 0 : u[i];
  auto* partial = stream.scratch<double>(panels.count() * m);
  auto* sums = stream.scratch<double>(m);
  visit(op.kernel.dtype, [&]<class T>() {
    const T* kernel = op.kernel.as<T>();
    stream.parallel(panels.count(), [&](int64_t p) {
      double* to = partial + p * m;
      std::fill_n(to, m, 0.0);
      for_row_groups<T>(panels, p, [&](int64_t i, auto rows) {
        add_rows<rows>(kernel + i * m, rows_after(kernel, panels, i, rows), next_u + i, m, to);
      });
    });
    for_blocks(stream, m, [&](int64_t, int64_t first, int64_t last) {
      add_panels(panels.count(), m, partial, first, last, sums);
      for (int64_t j = first; j < last; ++j) next_v[j] = c[j] == 0 ? 0 : c[j] / sums[j];
    });
    stream.parallel(panels.count(), [&](int64_t p) {
      for_row_groups<T>(panels, p, [&](int64_t i, auto rows) {
        double dots[rows];
        dots_of_rows<rows>(kernel + i * m, rows_after(kernel, panels, i, rows), next_v, m, dots);
        for (int k = 0; k < rows; ++k)
          row_sums[i + k] = r[i + k] == 0 ? 0 : next_u[i + k] * dots[k];
      });
    });
  });
  double largest = 0, smallest = kInfinite;
  bool good = true;
  const auto meet = [&](double scale) {
    good = good && scale > 0 && scale < kInfinite;
    largest = std::max(largest, scale), smallest = std::min(smallest, scale);
  };
  for (int64_t i = 0; i < n; ++i)
    if (r[i] != 0) meet(next_u[i]);
  for (int64_t j = 0; j < m; ++j)
    if (c[j] != 0) meet(next_v[j]);
  const double error = sum_of(n, [&](int64_t i) { return std::abs(r[i] - row_sums[i]); });
  double increase =
      sum_of(m, [&](int64_t j) { return c[j] == 0 ? 0 : c[j] * log_of(next_v[j] / v[j]); });
  if (step) increase += sum_of(n, [&](int64_t i) { return r[i] == 0 ? 0 : r[i] * step[i]; });
  good = good && error < kInfinite;
  const double statistics[] = {good ? error : kInfinite, good ? increase : -kInfinite,
                               good ? std::log(std::max({largest, 1 / smallest, 1.0})) : kInfinite};
  std::copy_n(statistics, 3, op.statistics.as<double>());
}
ORTHOKIT_KERNEL(Semidual, semidual);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
