#include <bit>
#include <cmath>

#include "cuda/kernels/transport/shared/transport.cuh"
#include "ops/transport/plan_sparsify.h"

namespace orthokit::cuda {

inline constexpr int kPlanBins = 2048;  // exponents of doubles
inline constexpr int kListThreads = 256;

__device__ __forceinline__ double entry_of(double u, double kernel, double v) {
  const double x = u * kernel * v;
  return x > 0 && x < INFINITY ? x : 0;
}

template <class T>
struct PlanEntry {
  const T* kernel;
  const double *u, *v;
  int64_t columns;
  __device__ double operator()(int64_t i, int64_t j) const {
    return entry_of(u[i], double(kernel[i * columns + j]), v[j]);
  }
};

// Of each row its largest entry and the first place of that, of each panel the largest entry of
// each column, of all entries how many have which exponent: those from `floor` on.
struct ScanPlan {
  const double *u, *v;
  double *most, *place;
  double floor;
  unsigned long long* bins;
  static __device__ unsigned* bins_of_block() {
    __shared__ unsigned bins[kPlanBins];
    return bins;
  }
  __device__ void begin() const {
    for (int e = int(threadIdx.x); e < kPlanBins; e += int(blockDim.x)) bins_of_block()[e] = 0;
    __syncthreads();  // all are 0
  }
  __device__ void end() const {
    __syncthreads();  // all entries are counted
    for (int e = int(threadIdx.x); e < kPlanBins; e += int(blockDim.x))
      if (const unsigned count = bins_of_block()[e]; count > 0)
        atomicAdd(&bins[e], (unsigned long long)(count));
  }
  template <class Team>
  __device__ void operator()(Team& team, int64_t i) const {
    const double own = u[i];
    unsigned* counts = bins_of_block();
    double largest = 0, first = -INFINITY;
    team.visit(
        [&](const OwnColumn& column, double v_of_column) {
          const double x = entry_of(own, column.value, v_of_column);
          column.kept = x, column.total = fmax(column.total, x), largest = fmax(largest, x);
          if (x >= floor) atomicAdd(&counts[(__double_as_longlong(x) >> 52) & (kPlanBins - 1)], 1u);
        },
        v);
    largest = team.template reduce<Max>(largest);
    if (largest > 0) {  // the same for the whole team
      team.visit([&](const OwnColumn& column) {
        if (column.kept == largest) first = fmax(first, -double(column.index));
      });
      first = team.template reduce<Max>(first);
    }
    if (team.is_first()) most[i] = largest, place[i] = isfinite(first) ? -first : -1;
  }
};

// The first row that has the largest entry of a column: of a column without one, none.
template <class T>
struct PlaceColumn {
  PlanEntry<T> plan;
  const double* of_panel;
  int64_t rows, each;
  double* place;
  __device__ void operator()(int64_t j, double most) const {
    place[j] = -1;
    if (!(most > 0)) return;
    int64_t panel = 0;
    while (of_panel[panel * plan.columns + j] != most) ++panel;
    int64_t i = panel * each;
    while (plan(i, j) != most) ++i;
    place[j] = double(i);
  }
};

struct ClearBins {
  unsigned long long* bins;
  __device__ void operator()(int64_t i) const { bins[i] = 0; }
};

struct ChooseThreshold {
  const unsigned long long* bins;
  double delta;
  int least;
  int64_t room;
  double* threshold;
  __device__ static double power_of(int exponent) { return ldexp(1.0, exponent - 1023); }
  __device__ void operator()(const OneBlock& block) const {
    // Whole numbers below 2⁵³, so that the order of the sum shows nowhere.
    auto kept =
        int64_t(block.sum(kPlanBins, [&](int64_t e) { return e < least ? 0.0 : double(bins[e]); }));
    if (!block.is_first()) return;
    double dropped = delta / 4;
    int exponent = least;
    for (; kept > 0; ++exponent) {
      const auto count = int64_t(bins[exponent]);
      dropped += double(count) * power_of(exponent + 1);
      if (count == kept || (count > 0 && dropped > delta)) break;
      kept -= count;
    }
    for (; kept > room; ++exponent) kept -= int64_t(bins[exponent]);
    *threshold = power_of(exponent);
  }
};
struct GivenThreshold {
  double value;
  double* threshold;
  __device__ void operator()(const OneBlock& block) const {
    if (block.is_first()) *threshold = value;
  }
};

// Says of an entry of a row if it belongs to the list, and what it is.
template <class T>
struct KeptOfRow {
  const T* kernel;
  const double *v, *column_place;
  double u, threshold, row, place;  // column_place: null where only the threshold counts
  __device__ double entry(int64_t j) const { return entry_of(u, double(kernel[j]), v[j]); }
  __device__ bool operator()(int64_t j, double x) const {
    if (!(x > 0)) return false;
    if (x >= threshold) return true;
    return column_place && (place == double(j) || column_place[j] == row);
  }
};
template <class T>
struct Kept {
  PlanEntry<T> plan;
  const double *threshold, *row_place,
      *column_place;  // places: null where only the threshold counts
  __device__ KeptOfRow<T> of_row(int64_t i) const {
    return {plan.kernel + i * plan.columns, plan.v, column_place, plan.u[i], *threshold, double(i),
            row_place ? row_place[i] : -1};
  }
};

template <class T>
struct CountKept {
  Kept<T> kept;
  int64_t* counts;
  template <class Team>
  __device__ void operator()(const Team& team, int64_t i) const {
    const KeptOfRow<T> row = kept.of_row(i);
    double count = 0;
    for (int64_t j = team.rank; j < kept.plan.columns; j += Team::size)
      count += row(j, row.entry(j));
    count = team.sum(count);
    if (team.rank == 0) counts[i] = int64_t(count);
  }
};

// The starts of rows; none if there is no room.
struct PlaceRows {
  const int64_t* counts;
  int64_t rows, capacity;
  const double* threshold;
  int32_t* starts;
  double* statistics;
  __device__ void operator()(const OneBlock& block) const {
    const double total = block.sum(rows, [&](int64_t i) { return double(counts[i]); });
    const bool fits = total <= double(capacity);
    if (!fits) block.visit(rows + 1, [&](int64_t i) { starts[i] = 0; });
    if (block.is_first()) statistics[0] = total, statistics[1] = *threshold;
    if (!fits) return;
    // Each thread takes a stretch of rows, behind those of the threads before.
    __shared__ int32_t of_thread[kOneBlockThreads];
    const int64_t stretch = (rows + kOneBlockThreads - 1) / kOneBlockThreads;
    const int64_t first = threadIdx.x * stretch,
                  last = first + stretch < rows ? first + stretch : rows;
    int32_t at = 0;
    for (int64_t i = first; i < last; ++i) at += int32_t(counts[i]);
    of_thread[threadIdx.x] = at;
    __syncthreads();  // all have counted
    at = 0;
    for (unsigned k = 0; k < threadIdx.x; ++k) at += of_thread[k];
    for (int64_t i = first; i < last; ++i) starts[i] = at, at += int32_t(counts[i]);
    if (block.is_first()) starts[rows] = int32_t(total);
  }
};

// A warp a row: 32 neighbouring columns at a time, each behind those of the lanes before.
template <class T>
__global__ void __launch_bounds__(kListThreads)
    list_kernel(int64_t rows, Kept<T> kept, const int32_t* starts, int32_t* columns,
                double* values) {
  constexpr int kWarps = kListThreads / kWarp;
  const int lane = int(threadIdx.x) % kWarp;
  for (int64_t i = int64_t(blockIdx.x) * kWarps + int(threadIdx.x) / kWarp; i < rows;
       i += int64_t(gridDim.x) * kWarps) {
    const KeptOfRow<T> row = kept.of_row(i);
    int at = starts[i];
    const int end = starts[i + 1];  // the same for the whole warp
    for (int64_t first = 0; at < end && first < kept.plan.columns; first += kWarp) {
      const int64_t j = first + lane;
      const double x = j < kept.plan.columns ? row.entry(j) : 0;
      const bool mine = row(j, x);
      const unsigned all = __ballot_sync(kFullWarp, mine);
      if (mine) {
        const int own = at + __popc(all & ((1u << lane) - 1));
        columns[own] = int32_t(j), values[own] = x;
      }
      at += __popc(all);
    }
  }
}

template <class T>
static void sparsify(const PlanSparsify& op, Stream& stream) {
  const int64_t n = op.kernel.shape[0], m = op.kernel.shape[1], capacity = op.columns.shape[0];
  const PlanEntry<T> plan{op.kernel.as<T>(), op.row_scale.as<double>(),
                          op.column_scale.as<double>(), m};
  constexpr int64_t kWarps = kListThreads / kWarp;
  auto* threshold = stream.scratch<double>(1);
  auto* counts = stream.scratch<int64_t>(n);
  Kept<T> kept{plan, threshold, nullptr, nullptr};
  if (op.threshold > 0) {
    in_one_block(stream, GivenThreshold{op.threshold, threshold});
  } else {
    auto *row_most = stream.scratch<double>(n), *row_place = stream.scratch<double>(n);
    auto* place = stream.scratch<double>(m);
    auto* bins = stream.scratch<unsigned long long>(kPlanBins);
    for_items(stream, kPlanBins, ClearBins{bins});
    // Entries below it make at most a quarter of delta; a power of two, so that no bin is cut.
    const double floor = op.delta / (4.0 * double(n) * double(m));
    const int own = int(std::bit_cast<uint64_t>(floor) >> 52 & (kPlanBins - 1));
    const int least = own > 1 ? own : 1;
    PanelSweep panels(stream, {n, m});
    panels.run<Max>(MatrixRows<T>{plan.kernel, m}, ScanPlan{plan.u, plan.v, row_most, row_place,
                                                            std::ldexp(1.0, least - 1023), bins});
    panels.join<Max>(PlaceColumn<T>{plan, panels.partial(), n, panels.rows_of_panel(), place});
    in_one_block(stream, ChooseThreshold{bins, op.delta, least,
                                         capacity > n + m ? capacity - n - m : 0, threshold});
    kept.row_place = row_place, kept.column_place = place;
  }
  for_rows(stream, n, m, CountKept<T>{kept, counts});
  in_one_block(stream, PlaceRows{counts, n, capacity, threshold, op.starts.as<int32_t>(),
                                 op.statistics.as<double>()});
  if (n > 0 && m > 0)
    launch(stream, list_kernel<T>, {blocks_for((n + kWarps - 1) / kWarps), kListThreads}, n, kept,
           op.starts.as<const int32_t>(), op.columns.as<int32_t>(), op.values.as<double>());
}

static void plan_sparsify(const PlanSparsify& op, Stream& stream) {
  visit(op.kernel.dtype, [&]<class T>() { sparsify<T>(op, stream); });
}
ORTHOKIT_KERNEL(PlanSparsify, plan_sparsify);

}  // namespace orthokit::cuda
