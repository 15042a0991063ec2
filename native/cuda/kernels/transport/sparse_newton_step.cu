#include "cuda/crew.cuh"
#include "cuda/kernels/transport/shared/sparse.cuh"
#include "ops/transport/sparse_newton_step.h"

namespace orthokit::cuda {

// Three barriers an iteration: a direction is formed where it is read, from the one before.
struct ConjugateGradients {
  SparseLines rows, columns;
  const double* good;
  int64_t most;
  double shift, tol;
  const double *row_mass, *row_sums, *column_mass;
  const double *row_rhs, *column_rhs;  // null where the gradient is solved for
  double *step, *column_step, *statistics;
  double *diagonal, *precondition, *gradient, *product, *residual, *preconditioned;  // of rows
  double *direction, *other_direction;
  double *inverse, *through;  // of columns

  // through = C⁻¹ Pᵀ x, for all to read.
  template <class Crew, class X>
  __device__ __forceinline__ void go_through(Crew& crew, int lanes, X&& x) const {
    crew.visit_lines(
        lanes, columns.lines, columns.starts,
        [&](int32_t k) { return columns.values[k] * x(columns.indices[k]); },
        [&](int64_t j, double sum) { through[j] = sum * inverse[j]; });
    crew.barrier();
  }
  // A term of P through.
  __device__ __forceinline__ double term(int32_t k) const {
    return rows.values[k] * through[rows.indices[k]];
  }

  // Returns the residual's products with its preconditioned self and with itself.
  template <class Crew>
  __device__ __forceinline__ Totals<2> prepare(Crew& crew, int lanes) const {
    crew.visit(columns.lines, [&](int64_t j) {
      inverse[j] = column_mass[j] > 0 ? 1 / column_mass[j] : 0;
      if (column_rhs) through[j] = column_rhs[j] * inverse[j];
    });
    crew.barrier();  // inverse and through are there
    if (row_rhs)
      crew.visit_lines(
          lanes, rows.lines, rows.starts, [&](int32_t k) { return term(k); },
          [&](int64_t i, double sum) { gradient[i] = row_rhs[i] - sum; });
    return crew.template sum_lines<2>(
        lanes, rows.lines, rows.starts,
        [&](int32_t k) { return rows.values[k] * rows.values[k] * inverse[rows.indices[k]]; },
        [&](int64_t i, double sum, double* mine) {
          const double r = row_mass[i], s = row_sums[i];
          diagonal[i] = s + shift * (s > r ? s : r);
          double own = diagonal[i] - sum;
          // Rounding may leave nothing, or less, of a row that has one column to itself.
          if (!(own > 1e-10 * diagonal[i])) own = diagonal[i];
          precondition[i] = own > 0 ? 1 / own : 0;
          if (!row_rhs) gradient[i] = r == 0 ? 0 : r - s;
          const double left = gradient[i], z = precondition[i] * left;
          step[i] = 0, direction[i] = 0, residual[i] = left, preconditioned[i] = z;
          mine[0] += left * z, mine[1] += left * left;
        });
  }

  template <class Crew>
  __device__ __forceinline__ int64_t solve(Crew& crew, int across, int down) const {
    const int64_t n = rows.lines;
    auto [descent, left] = prepare(crew, across).of;
    const double goal = tol * tol * left;
    double *last = direction, *next = other_direction;
    double turn = 0;
    int64_t iteration = 0;
    while (iteration < most && left > goal) {
      const auto x = [&](int64_t i) { return fma(turn, last[i], preconditioned[i]); };
      go_through(crew, down, x);
      const double curvature = crew.template sum_lines<1>(
                                       across, n, rows.starts, [&](int32_t k) { return term(k); },
                                       [&](int64_t i, double sum, double* mine) {
                                         const double own = x(i);
                                         next[i] = own, product[i] = diagonal[i] * own - sum;
                                         mine[0] += own * product[i];
                                       })
                                   .of[0];
      if (!(curvature > 0)) break;
      ++iteration;
      const double length = descent / curvature;
      const Totals<2> totals = crew.template reduce<Sum, 2>(n, [&](int64_t i, double* mine) {
        step[i] = fma(length, next[i], step[i]);
        const double r = fma(-length, product[i], residual[i]), z = precondition[i] * r;
        residual[i] = r, preconditioned[i] = z;
        mine[0] += r * z, mine[1] += r * r;
      });
      turn = totals.of[0] / descent, descent = totals.of[0], left = totals.of[1];
      double* const free = last;
      last = next, next = free;
    }
    return iteration;
  }

  template <class Crew>
  __device__ __forceinline__ void center(Crew& crew) const {
    const auto [count, total] = crew.template reduce<Sum, 2>(rows.lines,
                                                             [&](int64_t i, double* mine) {
                                                               if (row_mass[i] != 0)
                                                                 mine[0] += 1, mine[1] += step[i];
                                                             })
                                    .of;
    crew.visit(rows.lines,
               [&](int64_t i) { step[i] = row_mass[i] == 0 ? 0 : step[i] - total / count; });
  }

  template <class Crew>
  __device__ __forceinline__ void fill_with_nan(Crew& crew) const {
    crew.visit(rows.lines, [&](int64_t i) { step[i] = NAN; });
    crew.visit(4, [&](int64_t k) { statistics[k] = NAN; });
    if (column_step) crew.visit(columns.lines, [&](int64_t j) { column_step[j] = NAN; });
  }

  template <class Crew>
  __device__ void operator()(Crew& crew) const {
    if (*good == 0) {
      fill_with_nan(crew);
      return;
    }
    const int64_t n = rows.lines;
    const int across = rows.lanes(), down = columns.lanes();
    const int64_t iterations = solve(crew, across, down);
    if (!row_rhs) center(crew);
    crew.barrier();  // the step is there
    go_through(crew, down, [&](int64_t i) { return step[i]; });
    if (column_step)
      crew.visit(columns.lines,
                 [&](int64_t j) { column_step[j] = column_rhs[j] * inverse[j] - through[j]; });
    const auto [curvature, slope] =
        crew.template sum_lines<2>(
                across, n, rows.starts, [&](int32_t k) { return term(k); },
                [&](int64_t i, double sum, double* mine) {
                  mine[0] += step[i] * (row_sums[i] * step[i] - sum);
                  mine[1] += gradient[i] * step[i];
                })
            .of;
    const double largest =
        crew.template reduce<Max, 1>(
                n, [&](int64_t i, double* mine) { mine[0] = fmax(mine[0], fabs(step[i])); })
            .of[0];
    if (!crew.is_first()) return;
    statistics[0] = double(iterations), statistics[1] = slope - 0.5 * curvature;
    statistics[2] = fmax(largest, 0.0), statistics[3] = double(rows.entries());
  }
};

static void sparse_newton_step(const SparseNewtonStep& op, Stream& stream) {
  const int64_t n = op.step.shape[0], m = op.column_mass.shape[0], room = op.columns.shape[0];
  const SparseLines rows{op.starts.as<int32_t>(), op.columns.as<int32_t>(), op.values.as<double>(),
                         n};
  auto* good = stream.scratch<double>(1);
  check_rows(stream, rows, m, room, good);
  const auto data = [](const View& v) { return v ? v.as<double>() : nullptr; };
  const auto of_rows = [&] { return stream.scratch<double>(n); };
  const auto of_columns = [&] { return stream.scratch<double>(m); };
  in_crew(stream, n + m + room,
          ConjugateGradients{.rows = rows,
                             .columns = by_columns(stream, rows, m, room, good),
                             .good = good,
                             .most = op.most,
                             .shift = op.shift,
                             .tol = op.tol,
                             .row_mass = data(op.row_mass),
                             .row_sums = data(op.row_sums),
                             .column_mass = data(op.column_mass),
                             .row_rhs = data(op.row_rhs),
                             .column_rhs = data(op.column_rhs),
                             .step = data(op.step),
                             .column_step = data(op.column_step),
                             .statistics = data(op.statistics),
                             .diagonal = of_rows(),
                             .precondition = of_rows(),
                             .gradient = of_rows(),
                             .product = of_rows(),
                             .residual = of_rows(),
                             .preconditioned = of_rows(),
                             .direction = of_rows(),
                             .other_direction = of_rows(),
                             .inverse = of_columns(),
                             .through = of_columns()});
}
ORTHOKIT_KERNEL(SparseNewtonStep, sparse_newton_step);

}  // namespace orthokit::cuda
