#include "cuda/matrix.cuh"
#include "ops/optimizers/carry_rows.h"

namespace orthokit::cuda {

inline constexpr int kCarryThreads = 512;

// True in steps that change anything.
struct CarryTime {
  const int32_t* steps;
  const double* guard;
  int64_t gap;
  __device__ bool is_due() const {
    return !(guard && *guard != 0) && CarryRows::is_due(*steps, gap);
  }
};

// A block a matrix: its new indices in order, and where the row of each was, −1 for a new one.
static __global__ void __launch_bounds__(kCarryThreads)
    carry_indices_kernel(CarryTime time, int32_t* all_indices, const int32_t* all_chosen,
                         int64_t count, int32_t* all_sorted, int32_t* all_sources) {
  if (!time.is_due()) return;
  const int64_t first = int64_t(blockIdx.x) * count;
  const int32_t* chosen = all_chosen + first;
  int32_t *indices = all_indices + first, *sorted = all_sorted + first,
          *sources = all_sources + first;
  for (int64_t i = threadIdx.x; i < count; i += kCarryThreads) {
    const int32_t own = chosen[i];
    int64_t place = 0;
    for (int64_t j = 0; j < count; ++j) place += chosen[j] < own || (chosen[j] == own && j < i);
    sorted[place] = own;
  }
  __syncthreads();
  for (int64_t p = threadIdx.x; p < count; p += kCarryThreads) {
    int32_t source = -1;
    for (int64_t q = count; q-- > 0;) source = indices[q] == sorted[p] ? int32_t(q) : source;
    sources[p] = source;
  }
  __syncthreads();
  for (int64_t p = threadIdx.x; p < count; p += kCarryThreads) indices[p] = sorted[p];
}

// Rows of a state, beside it or from there.
template <class T>
struct SaveRow {
  CarryTime time;
  const T* rows;
  T* before;
  int64_t columns;
  template <int N>
  __device__ void operator()(int64_t row, int64_t at) const {
    if (!time.is_due()) return;
    store_group(before + row * columns, at, load_group<N>(rows + row * columns, at));
  }
};
template <class T>
struct CarryRow {
  CarryTime time;
  const T* before;
  const int32_t* sources;
  T* rows;
  int64_t count, columns;
  template <int N>
  __device__ void operator()(int64_t row, int64_t at) const {
    if (!time.is_due()) return;
    const int64_t source = sources[row], from = row / count * count + source;
    const Optional<T> kept{source < 0 ? nullptr : before + from * columns, T(0)};
    store_group(rows + row * columns, at, load_group<N>(kept, at));
  }
};

static void carry_rows(const CarryRows& op, Stream& stream) {
  const int64_t batch = op.batch(), count = op.count();
  if (batch == 0 || count == 0) return;
  const CarryTime time{op.steps.as<int32_t>(), op.guard.as<double>(), op.gap};
  auto *sorted = stream.scratch<int32_t>(batch * count),
       *sources = stream.scratch<int32_t>(batch * count);
  launch(stream, carry_indices_kernel, {dim3(unsigned(batch)), kCarryThreads}, time,
         op.indices.as<int32_t>(), op.chosen.as<int32_t>(), count, sorted, sources);
  for (const View& state : op.states)
    visit_moved(state.dtype, [&]<class T>() {
      if constexpr (sizeof(T) > 1) {  // states are floating
        const int64_t columns = state.shape[2];
        T *rows = state.as<T>(), *before = stream.scratch<T>(state.size());
        for_matrix(stream, batch * count, columns, SaveRow<T>{time, rows, before, columns});
        for_matrix(stream, batch * count, columns,
                   CarryRow<T>{time, before, sources, rows, count, columns});
      }
    });
}
ORTHOKIT_KERNEL(CarryRows, carry_rows);

}  // namespace orthokit::cuda
