#include "cuda/device/fused.cuh"
#include "cuda/matrix.cuh"
#include "ops/gather/combine_rows.h"

namespace orthokit::cuda {

template <class S, class T, class C>
struct CombineRow {
  const S* x;
  const C* coefficients;
  const int32_t* indices;
  T* out;
  int64_t rows, size, terms;
  template <int N>
  __device__ void operator()(int64_t i, int64_t at) const {
    double sums[N] = {};
    for (int64_t t = i * terms; t < (i + 1) * terms; ++t) {
      const int64_t row = indices ? indices[t] : t - i * terms;
      if (row < 0 || row >= rows) continue;
      const double factor = double(coefficients[t]);
      visit_group<N>(
          at,
          [&](int64_t j, S v) { sums[j - at] = fused(factor, convert<double>(v), sums[j - at]); },
          x + row * size);
    }
    Group<T, N> group;
#pragma unroll
    for (int k = 0; k < N; ++k) group.of[k] = T(sums[k]);
    store_group(out + i * size, at, group);
  }
};

static void combine_rows(const CombineRows& op, Stream& stream) {
  visit_combined(op, [&]<class S, class T, class C>() {
    for_matrix(stream, op.out.shape[0], op.out.shape[1],
               CombineRow<S, T, C>{op.x.as<S>(), op.coefficients.as<C>(),
                                   op.indices ? op.indices.as<int32_t>() : nullptr, op.out.as<T>(),
                                   op.x.shape[0], op.x.shape[1], op.coefficients.shape[1]});
  });
}
ORTHOKIT_KERNEL(CombineRows, combine_rows);

}  // namespace orthokit::cuda
