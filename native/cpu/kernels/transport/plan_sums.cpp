#include "ops/transport/plan_sums.h"

#include "cpu/kernels/transport/shared/transport.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void plan_sums(const PlanSums& op, Stream& stream) {
  const int64_t n = op.cost.shape[0], m = op.cost.shape[1];
  const double inverse = units_of(op.eps);
  const TransportPanels panels(n, m);
  const double *u = in_units(stream, op.row_potential, inverse),
               *w = in_units(stream, op.column_potential, inverse);
  auto *row_sums = op.row_sums.as<double>(), *column_sums = op.column_sums.as<double>();
  auto *partial = stream.scratch<double>(panels.count() * m),
       *costs = stream.scratch<double>(panels.count());
  visit(op.cost.dtype, [&]<class T>() {
    stream.parallel(panels.count(), [&](int64_t p) {
      double* sums = partial + p * m;
      std::fill_n(sums, m, 0.0);
      costs[p] = 0;
      const auto take = [&]<int kRows>(int64_t i, std::integral_constant<int, kRows>) {
        const T* cost = op.cost.as<T>() + i * m;
        Eight totals[kRows] = {}, linear{};
        plan_rows<kRows>(
            cost, w, u + i, inverse, m, [&](int64_t j, auto count, const Eight(&x)[kRows]) {
              Eight sum;
              load_some(sums + j, count, 0, sum);
#pragma GCC unroll 2
              for (int k = 0; k < kRows; ++k) {
                Eight c;
                load_some(cost + k * m + j, count, 0, c);
                totals[k] += x[k], sum += x[k];
                select(x[k] == 0, Eight{}, x[k] * c, c);  // a forbidden pair costs nothing
                linear += c;
              }
              store_some(sum, count, sums + j);
            });
        for (int k = 0; k < kRows; ++k) row_sums[i + k] = total_of(totals[k]);
        costs[p] += total_of(linear);
      };
      int64_t i = panels.begin(p);
      for (; i + 2 <= panels.end(p); i += 2) take(i, std::integral_constant<int, 2>());
      for (; i < panels.end(p); ++i) take(i, std::integral_constant<int, 1>());
    });
  });
  for_blocks(stream, m, [&](int64_t, int64_t first, int64_t last) {
    add_panels(panels.count(), m, partial, first, last, column_sums);
  });
  const auto *r = op.row_mass.as<double>(), *c = op.column_mass.as<double>();
  const double statistics[] = {
      sum_of(panels.count(), [&](int64_t p) { return costs[p]; }),
      sum_of(n, [&](int64_t i) { return row_sums[i]; }),
      sum_of(n, [&](int64_t i) { return std::abs(r[i] - row_sums[i]); }),
      sum_of(m, [&](int64_t j) { return std::abs(c[j] - column_sums[j]); })};
  std::copy_n(statistics, 4, op.statistics.as<double>());
}
ORTHOKIT_KERNEL(PlanSums, plan_sums);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
