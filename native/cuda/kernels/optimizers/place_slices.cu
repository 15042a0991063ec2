#include "cuda/matrix.cuh"
#include "ops/optimizers/place_slices.h"

namespace orthokit::cuda {

template <class T>
struct PlaceSlice {
  const T* x;
  const int32_t* places;
  T* out;
  Slices s;
  template <int N>
  __device__ void operator()(int64_t row, int64_t at) const {
    const bool of_rows = s.axis == SliceAxis::kRows;
    const int64_t matrix = row / s.rows;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const int64_t place = places[of_rows ? row : matrix * s.columns + at + i];
      const int64_t from =
          of_rows ? (matrix * s.taken + place) * s.columns + at + i : row * s.taken + place;
      out[row * s.columns + at + i] = place >= 0 && place < s.taken ? x[from] : T(0);
    }
  }
};

static void place_slices(const PlaceSlices& op, Stream& stream) {
  const Slices s = op.slices();
  visit(op.out.dtype, [&]<class T>() {
    for_matrix(stream, s.batch * s.rows, s.columns,
               PlaceSlice<T>{op.x.as<T>(), op.places.as<int32_t>(), op.out.as<T>(), s});
  });
}
ORTHOKIT_KERNEL(PlaceSlices, place_slices);

}  // namespace orthokit::cuda
