#include "cuda/factor.cuh"
#include "cuda/lists.cuh"
#include "cuda/widened.cuh"
#include "ops/elementwise/linear_combination.h"

namespace orthokit::cuda {

struct CombinePiece {
  const Operand *out, *terms;
  int tensors, count;  // of out; of the coefficients
  DeviceFactor coefficients[LinearCombination::kMaxTerms];

  template <class T>
  __device__ void combine(const Piece& piece) const {
    for_vectors(piece, [&](int64_t at, int n) {
      T sum[kVector], x[kVector];
      for (int j = 0; j < count; ++j) {
        const T factor = T(coefficients[j]());
        load_raw(terms[int64_t(j) * tensors + piece.tensor].template as<const T>() + at, n, x);
#pragma unroll
        for (int i = 0; i < kVector; ++i) sum[i] = j == 0 ? factor * x[i] : sum[i] + factor * x[i];
      }
      store_raw(out[piece.tensor].template as<T>() + at, n, sum);
    });
  }
  __device__ void operator()(const Piece& piece) const {
    if (out[piece.tensor].dtype == Dtype::kF64)
      combine<double>(piece);
    else
      combine<float>(piece);
  }
};

static void linear_combination(const LinearCombination& op, Stream& stream) {
  const Lists lists(stream, {op.out, op.terms});
  CombinePiece body{lists.of(0), lists.of(1), int(op.out.count), int(op.coefficients.count), {}};
  for (int j = 0; j < body.count; ++j) body.coefficients[j] = DeviceFactor(op.coefficients[j]);
  for_pieces(stream, lists, body);
}
ORTHOKIT_WIDE_KERNEL(LinearCombination, linear_combination);

}  // namespace orthokit::cuda
