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

// The entries by column, so that what reads them reads neighbours.
struct TransposeEntries {
  SparseRows p;
  const uint32_t* keys;
  const int64_t* order;
  const int32_t* row;  // of each entry by row
  int64_t columns;
  int32_t* rows;
  double* values;
  __device__ void operator()(int64_t k) const {
    if (int64_t(keys[k]) < columns) rows[k] = row[order[k]], values[k] = p.values[order[k]];
  }
};

// Blocks that solve together, with barriers of the grid; or one block that does the work of each in
// turn, where the grid has none. Both have the same bits. Elements are dealt in turn: what a thread
// wrote it reads back itself.
template <int blocks, bool together>
struct Crew {
  double* parts;     // [2 · blocks] for `sum`
  int* slot_of_sum;  // a sum's parts may still be read while those of the next one are written

  __device__ static int first() { return together ? int(blockIdx.x) : 0; }
  __device__ static int last() { return together ? int(blockIdx.x) + 1 : blocks; }
  __device__ bool is_first() const { return threadIdx.x == 0 && first() == 0; }
  __device__ void barrier() const {
    if constexpr (together)
      grid_sync();
    else
      __syncthreads();
  }
  template <class F>
  __device__ void visit_of(int block, int64_t count, F&& f) const {
    for (int64_t i = int64_t(block) * kOneBlockThreads + threadIdx.x; i < count;
         i += int64_t(blocks) * kOneBlockThreads)
      f(i);
  }
  template <class F>
  __device__ void visit(int64_t count, F&& f) const {
    for (int block = first(); block < last(); ++block) visit_of(block, count, f);
  }
  template <class R, class F>
  __device__ __forceinline__ double reduce(int64_t count, F&& f) const {
    double* to = parts + *slot_of_sum * blocks;
    *slot_of_sum ^= 1;
    double total = 0;
    for (int block = first(); block < last(); ++block) {
      double part = R::template neutral<double>();
      visit_of(block, count, [&](int64_t i) { part = R::combine(part, f(i)); });
      total = block_reduce<R>(part);
      if (threadIdx.x == 0 && blocks > 1) to[block] = total;
    }
    if constexpr (blocks == 1) return total;
    barrier();  // all parts are there
    total = R::template neutral<double>();
    for (int block = 0; block < blocks; ++block) total = R::combine(total, to[block]);
    return total;
  }
  template <class F>
  __device__ double sum(int64_t count, F&& f) const {
    return reduce<Sum>(count, f);
  }
  template <class F>
  __device__ double max(int64_t count, F&& f) const {
    return reduce<Max>(count, f);
  }
};

struct ConjugateGradients {
  SparseRows p;
  const double* good;
  const int32_t *column_starts, *row_by_column;
  const double* value_by_column;
  int64_t columns, most;
  double shift, tol;
  const double *row_mass, *row_sums, *column_mass;
  double *step, *statistics;
  double *diagonal, *precondition, *gradient, *inverse, *through, *product, *residual, *direction;

  // product = by ∘ x − P C⁻¹ Pᵀ x; returns x · product.
  template <class Team>
  __device__ __forceinline__ double apply(const Team& crew, const double* by,
                                          const double* x) const {
    crew.barrier();  // x is there
    crew.visit(columns, [&](int64_t j) {
      double sum = 0;
      for (int32_t k = column_starts[j]; k < column_starts[j + 1]; ++k)
        sum += value_by_column[k] * x[row_by_column[k]];
      through[j] = sum * inverse[j];
    });
    crew.barrier();  // through is there
    return crew.sum(p.rows, [&](int64_t i) {
      double sum = 0;
      for (int32_t k = p.starts[i]; k < p.starts[i + 1]; ++k)
        sum += p.values[k] * through[p.columns[k]];
      product[i] = by[i] * x[i] - sum;
      return x[i] * product[i];
    });
  }

  template <class Team>
  __device__ __forceinline__ void prepare(const Team& crew) const {
    crew.visit(columns,
               [&](int64_t j) { inverse[j] = column_mass[j] > 0 ? 1 / column_mass[j] : 0; });
    crew.barrier();  // inverse is there
    crew.visit(p.rows, [&](int64_t i) {
      const double r = row_mass[i], s = row_sums[i];
      diagonal[i] = s + shift * (s > r ? s : r);
      gradient[i] = r == 0 ? 0 : r - s;
      double own = diagonal[i];
      for (int32_t k = p.starts[i]; k < p.starts[i + 1]; ++k)
        own -= p.values[k] * p.values[k] * inverse[p.columns[k]];
      // Rounding may leave nothing, or less, of a row that has one column to itself.
      if (!(own > 1e-10 * diagonal[i])) own = diagonal[i];
      precondition[i] = own > 0 ? 1 / own : 0;
      step[i] = 0, residual[i] = gradient[i];
      direction[i] = precondition[i] * residual[i];
    });
  }

  template <class Team>
  __device__ __forceinline__ int64_t solve(const Team& crew) const {
    const int64_t n = p.rows;
    double descent = crew.sum(n, [&](int64_t i) { return residual[i] * direction[i]; });
    double left = crew.sum(n, [&](int64_t i) { return residual[i] * residual[i]; });
    const double goal = tol * tol * left;
    int64_t iteration = 0;
    while (iteration < most && left > goal) {
      const double curvature = apply(crew, diagonal, direction);
      if (!(curvature > 0)) break;
      ++iteration;
      const double length = descent / curvature;
      crew.visit(n, [&](int64_t i) {
        step[i] = fma(length, direction[i], step[i]);
        residual[i] = fma(-length, product[i], residual[i]);
      });
      left = crew.sum(n, [&](int64_t i) { return residual[i] * residual[i]; });
      const double next =
          crew.sum(n, [&](int64_t i) { return residual[i] * residual[i] * precondition[i]; });
      const double turn = next / descent;
      descent = next;
      crew.visit(n, [&](int64_t i) {
        direction[i] = fma(turn, direction[i], precondition[i] * residual[i]);
      });
    }
    return iteration;
  }

  template <class Team>
  __device__ __forceinline__ void operator()(const Team& crew) const {
    const int64_t n = p.rows;
    if (*good == 0) {
      crew.visit(n, [&](int64_t i) { step[i] = NAN; });
      crew.visit(4, [&](int64_t k) { statistics[k] = NAN; });
      return;
    }
    prepare(crew);
    const int64_t iterations = solve(crew);
    const double count = crew.sum(n, [&](int64_t i) { return row_mass[i] == 0 ? 0.0 : 1.0; });
    const double total = crew.sum(n, [&](int64_t i) { return row_mass[i] == 0 ? 0.0 : step[i]; });
    crew.visit(n, [&](int64_t i) { step[i] = row_mass[i] == 0 ? 0 : step[i] - total / count; });
    const double curvature = apply(crew, row_sums, step);
    const double slope = crew.sum(n, [&](int64_t i) { return gradient[i] * step[i]; });
    const double largest = crew.max(n, [&](int64_t i) { return fabs(step[i]); });
    if (!crew.is_first()) return;
    statistics[0] = double(iterations), statistics[1] = slope - 0.5 * curvature;
    statistics[2] = fmax(largest, 0.0), statistics[3] = double(p.starts[n]);
  }
};

// Parts of the work, whether blocks do them together or not.
inline constexpr int kCrew = 16;
// From here on a step takes longer than the barriers of a grid.
inline constexpr int64_t kLargeSystem = 1 << 16;

// The second bound lets half as many multiprocessors as there are blocks hold them all at once.
template <int blocks, bool together>
__global__ void __launch_bounds__(kOneBlockThreads, 2)
    conjugate_gradients_kernel(ConjugateGradients body, double* parts) {
  int slot = 0;
  body(Crew<blocks, together>{parts, &slot});
}

// Whether blocks of a launch may wait for each other.
static bool cooperates(const Stream& stream) {
  int device = 0, answer = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  check(cudaDeviceGetAttribute(&answer, cudaDevAttrCooperativeLaunch, device),
        "cudaDeviceGetAttribute");
  return answer != 0 && stream.units() >= kCrew / 2;
}

static void solve(Stream& stream, const ConjugateGradients& body, int64_t size) {
  const Grid one{1, kOneBlockThreads};
  auto* parts = stream.scratch<double>(2 * kCrew);
  if (size < kLargeSystem)
    launch(stream, conjugate_gradients_kernel<1, false>, one, body, parts);
  else if (stream.graphs().collects() || !cooperates(stream))
    launch(stream, conjugate_gradients_kernel<kCrew, false>, one, body, parts);
  else
    check(launch(conjugate_gradients_kernel<kCrew, true>,
                 Launch{kCrew, kOneBlockThreads, 0, stream.handle(), true}, body, parts),
          "cudaLaunchKernel");
}

static void sparse_newton_step(const SparseNewtonStep& op, Stream& stream) {
  const int64_t n = op.step.shape[0], m = op.column_mass.shape[0], count = op.columns.shape[0];
  const SparseRows p{op.starts.as<int32_t>(), op.columns.as<int32_t>(), op.values.as<double>(), n,
                     count};
  auto* good = stream.scratch<double>(1);
  auto* keys = stream.scratch<uint32_t>(count);
  auto *row = stream.scratch<int32_t>(count), *starts = stream.scratch<int32_t>(m + 1),
       *rows_by_column = stream.scratch<int32_t>(count);
  auto* values_by_column = stream.scratch<double>(count);
  in_one_block(stream, CheckRows{p, m, good});
  for_items(stream, count, ColumnKeys{p, good, m, keys});
  for_items(stream, n, RowsOfEntries{p, good, row});
  const Sorted sorted = sort(stream, keys, count, int(std::bit_width(uint64_t(m))));
  for_items(stream, m + 1, ColumnStarts{sorted.keys, count, starts});
  for_items(
      stream, count,
      TransposeEntries{p, sorted.keys, sorted.position, row, m, rows_by_column, values_by_column});
  const auto rows = [&] { return stream.scratch<double>(n); };
  const auto columns = [&] { return stream.scratch<double>(m); };
  solve(stream,
        ConjugateGradients{p,
                           good,
                           starts,
                           rows_by_column,
                           values_by_column,
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
                           rows()},
        n + m + count);
}
ORTHOKIT_KERNEL(SparseNewtonStep, sparse_newton_step);

}  // namespace orthokit::cuda
