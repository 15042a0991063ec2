#include "ops/transport/scaling_sweeps.h"

#include "cpu/kernels/transport/shared/transport.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// A part's share of a sweep: whether all its scales are positive numbers, and how far they go.
struct ScalesOfPart {
  bool good = true;
  double least = 1, most = 1, error = 0;
  void meet(double scale) {
    good = good && scale > 0 && scale < kInfinite;
    least = std::min(least, scale), most = std::max(most, scale);
  }
};

static ScalesOfPart joined(const ScalesOfPart* parts, int64_t count) {
  ScalesOfPart all;
  for (int64_t k = 0; k < count; ++k) {
    all.good = all.good && parts[k].good, all.error += parts[k].error;
    all.least = std::min(all.least, parts[k].least), all.most = std::max(all.most, parts[k].most);
  }
  return all;
}

void scaling_sweeps(const ScalingSweeps& op, Stream& stream) {
  const int64_t n = op.kernel.shape[0], m = op.kernel.shape[1];
  const TransportPanels panels(n, m);
  const int64_t blocks = vector_blocks(m);
  const auto *r = op.row_mass.as<double>(), *c = op.column_mass.as<double>();
  auto *u = op.row_scale.as<double>(), *v = op.column_scale.as<double>();
  auto* partial = stream.scratch<double>(panels.count() * m);
  auto *sums = stream.scratch<double>(m), *next_u = stream.scratch<double>(n),
       *next_v = stream.scratch<double>(m);
  auto* of_panel = stream.scratch<ScalesOfPart>(panels.count());
  auto* of_block = stream.scratch<ScalesOfPart>(blocks);
  int64_t done = 0;
  double error = kInfinite, largest = 0;
  bool failed = false;
  visit(op.kernel.dtype, [&]<class T>() {
    const T* kernel = op.kernel.as<T>();
    while (done < op.count) {
      stream.parallel(panels.count(), [&](int64_t p) {
        ScalesOfPart part;
        double* to = partial + p * m;
        std::fill_n(to, m, 0.0);
        for_row_groups<T>(panels, p, [&](int64_t i, auto rows) {
          const T *row = kernel + i * m, *after = rows_after(kernel, panels, i, rows);
          double dots[rows];
          dots_of_rows<rows>(row, after, v, m, dots);
          for (int k = 0; k < rows; ++k) {
            next_u[i + k] = r[i + k] == 0 ? 0 : r[i + k] / dots[k];
            if (r[i + k] != 0) part.meet(next_u[i + k]);
          }
          add_rows<rows>(row, after, next_u + i, m, to);  // while they are in a cache
        });
        of_panel[p] = part;
      });
      for_blocks(stream, m, [&](int64_t block, int64_t first, int64_t last) {
        ScalesOfPart part;
        add_panels(panels.count(), m, partial, first, last, sums);
        part.error = sum_of(last - first, [&](int64_t k) {
          return std::abs(c[first + k] - v[first + k] * sums[first + k]);
        });
        for (int64_t j = first; j < last; ++j) {
          next_v[j] = c[j] == 0 ? 0 : c[j] / sums[j];
          if (c[j] != 0) part.meet(next_v[j]);
        }
        of_block[block] = part;
      });
      const ScalesOfPart rows = joined(of_panel, panels.count()),
                         columns = joined(of_block, blocks);
      failed = !(rows.good && columns.good && columns.error < kInfinite);
      if (failed) break;
      std::copy_n(next_u, n, u), std::copy_n(next_v, m, v);
      ++done, error = columns.error;
      largest = std::log(std::max({rows.most, columns.most, 1 / rows.least, 1 / columns.least}));
      if (error <= op.tol || largest > std::log(op.most)) break;
    }
  });
  const double statistics[] = {double(done), error, largest, double(failed)};
  std::copy_n(statistics, 4, op.statistics.as<double>());
}
ORTHOKIT_KERNEL(ScalingSweeps, scaling_sweeps);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
