#include <bit>

#include "cuda/sort.cuh"
#include "cuda/transport.cuh"
#include "ops/sparse_newton_step.h"

namespace orthokit::cuda {

struct SparseRows {
  const int32_t *starts, *columns;
  const double* values;
  int64_t rows, count;  // count: the room for entries
};

// Whether the entries are a matrix with this many columns: 1 or 0.
struct CheckRows {
  SparseRows p;
  int64_t columns;
  double* good;
  __device__ void operator()(const OneBlock& block) const {
    double wrong =
        block.sum(p.rows, [&](int64_t i) { return double(p.starts[i + 1] < p.starts[i]); });
    const int64_t last = p.starts[p.rows];
    if (p.starts[0] != 0 || last > p.count) wrong += 1;
    wrong += block.sum(p.count, [&](int64_t k) {
      return double(k < last && (p.columns[k] < 0 || p.columns[k] >= columns));
    });
    if (block.is_first()) *good = wrong == 0;
  }
};

// The column of each entry, as what to sort by: behind all columns where there is none.
struct ColumnKeys {
  SparseRows p;
  const double* good;
  int64_t columns;
  uint32_t* keys;
  __device__ void operator()(int64_t k) const {
    keys[k] = *good != 0 && k < p.starts[p.rows] ? uint32_t(p.columns[k]) : uint32_t(columns);
  }
};
struct RowsOfEntries {
  SparseRows p;
  const double* good;
  int32_t* row;
  __device__ void operator()(int64_t i) const {
    if (*good == 0) return;
    for (int32_t k = p.starts[i]; k < p.starts[i + 1]; ++k) row[k] = int32_t(i);
  }
};
// The first sorted entry that is not before the column.
struct ColumnStarts {
  const uint32_t* keys;
  int64_t count;
  int32_t* starts;
  __device__ void operator()(int64_t j) const {
    int64_t low = 0, high = count;
    while (low < high) {
      const int64_t middle = (low + high) / 2;
      if (int64_t(keys[middle]) < j)
        low = middle + 1;
      else
        high = middle;
    }
    starts[j] = int32_t(low);
  }
};

struct ConjugateGradients {
  SparseRows p;
  const double* good;
  const int32_t* column_starts;
  const int64_t* order;  // of the entries by column
  const int32_t* row;    // of each entry
  int64_t columns, most;
  double shift, tol;
  const double *row_mass, *row_sums, *column_mass;
  const double *row_rhs, *column_rhs;  // null where the gradient is solved for
  double *step, *column_step, *statistics;
  double *diagonal, *precondition, *gradient, *inverse, *through, *product, *residual, *direction;

  // product = by ∘ x − P C⁻¹ Pᵀ x; returns x · product.
  __device__ double apply(const OneBlock& block, const double* by, const double* x) const {
    __syncthreads();  // x is there
    block.visit(columns, [&](int64_t j) {
      double sum = 0;
      for (int32_t k = column_starts[j]; k < column_starts[j + 1]; ++k)
        sum += p.values[order[k]] * x[row[order[k]]];
      through[j] = sum * inverse[j];
    });
    __syncthreads();  // through is there
    return block.sum(p.rows, [&](int64_t i) {
      double sum = 0;
      for (int32_t k = p.starts[i]; k < p.starts[i + 1]; ++k)
        sum += p.values[k] * through[p.columns[k]];
      product[i] = by[i] * x[i] - sum;
      return x[i] * product[i];
    });
  }

  __device__ void prepare(const OneBlock& block) const {
    block.visit(columns,
                [&](int64_t j) { inverse[j] = column_mass[j] > 0 ? 1 / column_mass[j] : 0; });
    if (row_rhs) block.visit(columns, [&](int64_t j) { through[j] = column_rhs[j] * inverse[j]; });
    __syncthreads();  // inverse and through are there
    block.visit(p.rows, [&](int64_t i) {
      const double r = row_mass[i], s = row_sums[i];
      diagonal[i] = s + shift * (s > r ? s : r);
      gradient[i] = row_rhs ? row_rhs[i] : r == 0 ? 0 : r - s;
      double own = diagonal[i];
      for (int32_t k = p.starts[i]; k < p.starts[i + 1]; ++k)
        own -= p.values[k] * p.values[k] * inverse[p.columns[k]];
      for (int32_t k = p.starts[i]; row_rhs && k < p.starts[i + 1]; ++k)
        gradient[i] -= p.values[k] * through[p.columns[k]];
      // Rounding may leave nothing, or less, of a row that has one column to itself.
      if (!(own > 1e-10 * diagonal[i])) own = diagonal[i];
      precondition[i] = own > 0 ? 1 / own : 0;
      step[i] = 0, residual[i] = gradient[i];
      direction[i] = precondition[i] * residual[i];
    });
  }

  __device__ int64_t solve(const OneBlock& block) const {
    const int64_t n = p.rows;
    double descent = block.sum(n, [&](int64_t i) { return residual[i] * direction[i]; });
    double left = block.sum(n, [&](int64_t i) { return residual[i] * residual[i]; });
    const double goal = tol * tol * left;
    int64_t iteration = 0;
    while (iteration < most && left > goal) {
      const double curvature = apply(block, diagonal, direction);
      if (!(curvature > 0)) break;
      ++iteration;
      const double length = descent / curvature;
      block.visit(n, [&](int64_t i) {
        step[i] = fma(length, direction[i], step[i]);
        residual[i] = fma(-length, product[i], residual[i]);
      });
      left = block.sum(n, [&](int64_t i) { return residual[i] * residual[i]; });
      const double next =
          block.sum(n, [&](int64_t i) { return residual[i] * residual[i] * precondition[i]; });
      const double turn = next / descent;
      descent = next;
      block.visit(n, [&](int64_t i) {
        direction[i] = fma(turn, direction[i], precondition[i] * residual[i]);
      });
    }
    return iteration;
  }

  __device__ void center(const OneBlock& block) const {
    const int64_t n = p.rows;
    const double count = block.sum(n, [&](int64_t i) { return row_mass[i] == 0 ? 0.0 : 1.0; });
    const double total = block.sum(n, [&](int64_t i) { return row_mass[i] == 0 ? 0.0 : step[i]; });
    block.visit(n, [&](int64_t i) { step[i] = row_mass[i] == 0 ? 0 : step[i] - total / count; });
  }

  // The columns' part, once the rows' is known.
  __device__ void finish_columns(const OneBlock& block) const {
    __syncthreads();  // the step is there
    block.visit(columns, [&](int64_t j) {
      double sum = 0;
      for (int32_t k = column_starts[j]; k < column_starts[j + 1]; ++k)
        sum += p.values[order[k]] * step[row[order[k]]];
      column_step[j] = (column_rhs[j] - sum) * inverse[j];
    });
  }

  __device__ void operator()(const OneBlock& block) const {
    const int64_t n = p.rows;
    if (*good == 0) {
      block.visit(n, [&](int64_t i) { step[i] = NAN; });
      block.visit(4, [&](int64_t k) { statistics[k] = NAN; });
      if (row_rhs) block.visit(columns, [&](int64_t j) { column_step[j] = NAN; });
      return;
    }
    prepare(block);
    const int64_t iterations = solve(block);
    if (row_rhs)
      finish_columns(block);
    else
      center(block);
    const double curvature = apply(block, row_sums, step);
    const double slope = block.sum(n, [&](int64_t i) { return gradient[i] * step[i]; });
    const double largest = block.max(n, [&](int64_t i) { return fabs(step[i]); });
    if (!block.is_first()) return;
    statistics[0] = double(iterations), statistics[1] = slope - 0.5 * curvature;
    statistics[2] = fmax(largest, 0.0), statistics[3] = double(p.starts[n]);
  }
};

static void sparse_newton_step(const SparseNewtonStep& op, Stream& stream) {
  const int64_t n = op.step.shape[0], m = op.column_mass.shape[0], count = op.columns.shape[0];
  const SparseRows p{op.starts.as<int32_t>(), op.columns.as<int32_t>(), op.values.as<double>(), n,
                     count};
  auto* good = stream.scratch<double>(1);
  auto* keys = stream.scratch<uint32_t>(count);
  auto *row = stream.scratch<int32_t>(count), *starts = stream.scratch<int32_t>(m + 1);
  in_one_block(stream, CheckRows{p, m, good});
  for_items(stream, count, ColumnKeys{p, good, m, keys});
  for_items(stream, n, RowsOfEntries{p, good, row});
  const Sorted sorted = sort(stream, keys, count, int(std::bit_width(uint64_t(m))));
  for_items(stream, m + 1, ColumnStarts{sorted.keys, count, starts});
  const auto rows = [&] { return stream.scratch<double>(n); };
  const auto columns = [&] { return stream.scratch<double>(m); };
  in_one_block(stream, ConjugateGradients{p,
                                          good,
                                          starts,
                                          sorted.position,
                                          row,
                                          m,
                                          op.most,
                                          op.shift,
                                          op.tol,
                                          op.row_mass.as<double>(),
                                          op.row_sums.as<double>(),
                                          op.column_mass.as<double>(),
                                          op.step.as<double>(),
                                          op.statistics.as<double>(),
                                          rows(),
                                          rows(),
                                          rows(),
                                          columns(),
                                          columns(),
                                          rows(),
                                          rows(),
                                          rows()});
}
ORTHOKIT_KERNEL(SparseNewtonStep, sparse_newton_step);

}  // namespace orthokit::cuda
