#include "cuda/matrix.cuh"
#include "ops/optimizers/take_slices.h"

namespace orthokit::cuda {

inline constexpr int kChoosingThreads = 512;

// A block a matrix: the slices that fewer than `taken` others come before, then their order.
static __global__ void __launch_bounds__(kChoosingThreads)
    choose_slices_kernel(const double* all_scores, Slices s, int32_t* all_flags, int32_t* chosen,
                         int32_t* places) {
  const int64_t count = s.count(), first = int64_t(blockIdx.x) * count;
  const double* scores = all_scores + first;
  int32_t* flags = all_flags + first;
  const auto score = [scores](int64_t i) {
    return scores[i] != scores[i] ? double(INFINITY) : scores[i];
  };
  for (int64_t i = threadIdx.x; i < count; i += kChoosingThreads) {
    const double own = score(i);
    int64_t before = 0;
    for (int64_t j = 0; j < count; ++j) {
      const double other = score(j);
      before += other > own || (other == own && j < i);
    }
    flags[i] = before < s.taken;
  }
  __syncthreads();
  for (int64_t i = threadIdx.x; i < count; i += kChoosingThreads) {
    int32_t place = 0;
    for (int64_t j = 0; j < i; ++j) place += flags[j];
    const bool taken = flags[i] != 0;
    places[first + i] = taken ? place : -1;
    if (taken) chosen[int64_t(blockIdx.x) * s.taken + place] = int32_t(i);
  }
}

// Elements of a row of `out`.
template <class T>
struct TakeSlice {
  T *x, *out;
  const int32_t* chosen;
  T decay;
  Slices s;
  template <int N>
  __device__ void operator()(int64_t row, int64_t at) const {
    const bool of_rows = s.axis == SliceAxis::kRows;
    const int64_t height = of_rows ? s.taken : s.rows, width = of_rows ? s.columns : s.taken;
    const int64_t matrix = row / height;
    const int32_t* own = chosen + matrix * s.taken;
    T* from = x + (of_rows ? matrix * s.rows + own[row - matrix * height] : row) * s.columns;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      T& value = from[of_rows ? at + i : own[at + i]];
      out[row * width + at + i] = value;
      value *= decay;
    }
  }
};

static void take_slices(const TakeSlices& op, Stream& stream) {
  const Slices s = op.slices();
  if (s.batch == 0 || s.count() == 0) return;
  auto *flags = stream.scratch<int32_t>(s.batch * s.count()),
       *chosen = stream.scratch<int32_t>(s.batch * s.taken + 1);
  launch(stream, choose_slices_kernel, {dim3(unsigned(s.batch)), kChoosingThreads},
         op.scores.as<double>(), s, flags, chosen, op.places.as<int32_t>());
  visit(op.x.dtype, [&]<class T>() {
    for_matrix(stream, s.batch * (s.of_rows() ? s.taken : s.rows),
               s.of_rows() ? s.columns : s.taken,
               TakeSlice<T>{op.x.as<T>(), op.out.as<T>(), chosen, T(op.decay), s});
  });
}
ORTHOKIT_KERNEL(TakeSlices, take_slices);

}  // namespace orthokit::cuda
