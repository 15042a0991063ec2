#include <bit>
#include <cmath>

#include "cuda/transport.cuh"
#include "ops/plan_sparsify.h"

namespace orthokit::cuda {

inline constexpr int kPlanBins = 2048;  // exponents of doubles
inline constexpr int kListThreads = 256;

template <class T>
struct PlanEntry {
  const T* kernel;
  const double *u, *v;
  int64_t columns;
  __device__ double operator()(int64_t i, int64_t j) const {
    const double x = u[i] * double(kernel[i * columns + j]) * v[j];
    return x > 0 && x < INFINITY ? x : 0;
  }
};

// The first row that has the largest entry of a column: of a column without one, none.
template <class T>
struct FirstLargest {
  PlanEntry<T> plan;
  const double* most;
  __device__ double operator()(int64_t i, int64_t j) const {
    return most[j] > 0 && plan(i, j) == most[j] ? -double(i) : -INFINITY;
  }
};
struct StoreMost {
  double* most;
  __device__ void operator()(int64_t j, double x) const { most[j] = x; }
};
struct StorePlace {
  double* place;
  __device__ void operator()(int64_t j, double x) const { place[j] = isfinite(x) ? -x : -1; }
};

template <class T>
struct LargestOfRow {
  PlanEntry<T> plan;
  double *most, *place;
  template <class Team>
  __device__ void operator()(const Team& team, int64_t i) const {
    double largest = 0, first = -INFINITY;
    for (int64_t j = team.rank; j < plan.columns; j += Team::size)
      largest = fmax(largest, plan(i, j));
    largest = team.template reduce<Max>(largest);
    for (int64_t j = team.rank; largest > 0 && j < plan.columns; j += Team::size)
      if (plan(i, j) == largest) first = fmax(first, -double(j));
    first = team.template reduce<Max>(first);
    if (team.rank == 0) most[i] = largest, place[i] = isfinite(first) ? -first : -1;
  }
};

struct ClearBins {
  unsigned long long* bins;
  __device__ void operator()(int64_t i) const { bins[i] = 0; }
};

template <class T>
__global__ void __launch_bounds__(kListThreads)
    bins_kernel(int64_t rows, PlanEntry<T> plan, double floor, unsigned long long* bins) {
  __shared__ unsigned of_block[kPlanBins];
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    for (int e = int(threadIdx.x); e < kPlanBins; e += kListThreads) of_block[e] = 0;
    __syncthreads();  // all are 0
    for (int64_t j = threadIdx.x; j < plan.columns; j += kListThreads) {
      const double x = plan(row, j);
      if (x >= floor) atomicAdd(&of_block[(__double_as_longlong(x) >> 52) & (kPlanBins - 1)], 1u);
    }
    __syncthreads();  // all entries are counted
    for (int e = int(threadIdx.x); e < kPlanBins; e += kListThreads)
      if (of_block[e] > 0) atomicAdd(&bins[e], (unsigned long long)(of_block[e]));
    __syncthreads();  // all counts are read
  }
}

struct ChooseThreshold {
  const unsigned long long* bins;
  double delta;
  int least;
  int64_t room;
  double* threshold;
  __device__ static double power_of(int exponent) { return ldexp(1.0, exponent - 1023); }
  __device__ void operator()(const OneBlock& block) const {
    if (!block.is_first()) return;
    double dropped = delta / 4;
    int64_t kept = 0;
    for (int e = least; e < kPlanBins; ++e) kept += int64_t(bins[e]);
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

// Whether an entry belongs to the list.
template <class T>
struct Kept {
  PlanEntry<T> plan;
  const double *threshold, *row_place,
      *column_place;  // places: null where only the threshold counts
  __device__ bool operator()(int64_t i, int64_t j, double x) const {
    if (!(x > 0)) return false;
    if (x >= *threshold) return true;
    return row_place && (row_place[i] == double(j) || column_place[j] == double(i));
  }
};

template <class T>
struct CountKept {
  Kept<T> kept;
  int64_t* counts;
  template <class Team>
  __device__ void operator()(const Team& team, int64_t i) const {
    double count = 0;
    for (int64_t j = team.rank; j < kept.plan.columns; j += Team::size)
      count += kept(i, j, kept.plan(i, j));
    count = team.sum(count);
    if (team.rank == 0) counts[i] = int64_t(count);
  }
};

// Where the rows begin; nowhere if there is no room.
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
    if (!block.is_first()) return;
    statistics[0] = total, statistics[1] = *threshold;
    if (!fits) return;
    int32_t at = 0;
    for (int64_t i = 0; i < rows; ++i) starts[i] = at, at += int32_t(counts[i]);
    starts[rows] = at;
  }
};

// A block a row: each thread lists a stretch of it, behind those of the threads before.
template <class T>
__global__ void __launch_bounds__(kListThreads)
    list_kernel(int64_t rows, Kept<T> kept, const int32_t* starts, int32_t* columns,
                double* values) {
  __shared__ int counts[kListThreads];
  const int64_t m = kept.plan.columns, stretch = (m + kListThreads - 1) / kListThreads;
  const int64_t first = threadIdx.x * stretch, last = first + stretch < m ? first + stretch : m;
  for (int64_t i = blockIdx.x; i < rows; i += gridDim.x) {
    if (starts[i + 1] == starts[i]) continue;  // the same for the whole block
    int count = 0;
    for (int64_t j = first; j < last; ++j) count += kept(i, j, kept.plan(i, j));
    counts[threadIdx.x] = count;
    __syncthreads();  // all have counted
    int at = starts[i];
    for (unsigned k = 0; k < threadIdx.x; ++k) at += counts[k];
    for (int64_t j = first; j < last; ++j) {
      const double x = kept.plan(i, j);
      if (!kept(i, j, x)) continue;
      columns[at] = int32_t(j), values[at] = x, ++at;
    }
    __syncthreads();  // all counts are read
  }
}

template <class T>
static void sparsify(const PlanSparsify& op, Stream& stream) {
  const int64_t n = op.kernel.shape[0], m = op.kernel.shape[1], capacity = op.columns.shape[0];
  const PlanEntry<T> plan{op.kernel.as<T>(), op.row_scale.as<double>(),
                          op.column_scale.as<double>(), m};
  const unsigned blocks = unsigned(n < (1 << 16) ? n : 1 << 16);
  auto* threshold = stream.scratch<double>(1);
  auto* counts = stream.scratch<int64_t>(n);
  Kept<T> kept{plan, threshold, nullptr, nullptr};
  if (op.threshold > 0) {
    in_one_block(stream, GivenThreshold{op.threshold, threshold});
  } else {
    auto *row_most = stream.scratch<double>(n), *row_place = stream.scratch<double>(n);
    auto *most = stream.scratch<double>(m), *place = stream.scratch<double>(m);
    auto* bins = stream.scratch<unsigned long long>(kPlanBins);
    for_rows(stream, n, m, LargestOfRow<T>{plan, row_most, row_place});
    reduce_columns<Max>(stream, n, m, plan, StoreMost{most});
    reduce_columns<Max>(stream, n, m, FirstLargest<T>{plan, most}, StorePlace{place});
    for_items(stream, kPlanBins, ClearBins{bins});
    // What lies below makes at most a quarter of delta; a power of two, so that no bin is cut.
    const double floor = op.delta / (4.0 * double(n) * double(m));
    const int own = int(std::bit_cast<uint64_t>(floor) >> 52 & (kPlanBins - 1));
    const int least = own > 1 ? own : 1;
    if (n > 0 && m > 0)
      launch(stream, bins_kernel<T>, {dim3(blocks), kListThreads}, n, plan,
             std::ldexp(1.0, least - 1023), bins);
    in_one_block(stream, ChooseThreshold{bins, op.delta, least,
                                         capacity > n + m ? capacity - n - m : 0, threshold});
    kept.row_place = row_place, kept.column_place = place;
  }
  for_rows(stream, n, m, CountKept<T>{kept, counts});
  in_one_block(stream, PlaceRows{counts, n, capacity, threshold, op.starts.as<int32_t>(),
                                 op.statistics.as<double>()});
  if (n > 0 && m > 0)
    launch(stream, list_kernel<T>, {dim3(blocks), kListThreads}, n, kept,
           op.starts.as<const int32_t>(), op.columns.as<int32_t>(), op.values.as<double>());
}

static void plan_sparsify(const PlanSparsify& op, Stream& stream) {
  visit(op.kernel.dtype, [&]<class T>() { sparsify<T>(op, stream); });
}
ORTHOKIT_KERNEL(PlanSparsify, plan_sparsify);

}  // namespace orthokit::cuda
