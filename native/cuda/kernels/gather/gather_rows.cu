#include "cuda/matrix.cuh"
#include "ops/gather/gather_rows.h"

namespace orthokit::cuda {

template <class T>
struct GatherRow {
  const T* x;
  const int32_t* index;
  T *out, outside;
  int64_t rows, size;
  template <int N>
  __device__ void operator()(int64_t i, int64_t at) const {
    const int32_t row = index[i];
    const bool inside = row >= 0 && row < rows;
    const Optional<T> from{inside ? x + row * size : nullptr, outside};
    store_group(out + i * size, at, load_group<N>(from, at));
  }
};

static void gather_rows(const GatherRows& op, Stream& stream) {
  const int64_t rows = op.x.shape[0], size = op.row_size();
  visit_moved(op.x.dtype, [&]<class T>() {
    T outside{};
    visit_storage(op.x.dtype, [&]<class S>() {
      const S none = convert<S>(std::numeric_limits<double>::quiet_NaN());
      if constexpr (sizeof none == sizeof outside) std::memcpy(&outside, &none, sizeof none);
    });
    for_matrix(
        stream, op.index.size(), size,
        GatherRow<T>{op.x.as<T>(), op.index.as<int32_t>(), op.out.as<T>(), outside, rows, size});
  });
}
ORTHOKIT_KERNEL(GatherRows, gather_rows);

}  // namespace orthokit::cuda
