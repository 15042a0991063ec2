#include "cuda/kernels/random/shared/numbers.cuh"
#include "cuda/lists.cuh"
#include "ops/random/random.h"

namespace orthokit::cuda {

struct RandomPiece {
  const Operand* x;
  const uint64_t* first;  // where each tensor begins, from offset on
  uint64_t offset;
  RandomNumbers numbers;

  template <class T>
  __device__ void fill(const Piece& piece) const {
    const uint64_t begin = offset + first[piece.tensor];
    T* to = x[piece.tensor].template as<T>();
    for_vectors(piece, [&](int64_t at, int n) {
      T values[kVector] = {};
      numbers.four(begin + uint64_t(at), n, values);
      store_raw(to + at, n, values);
    });
  }
  __device__ void operator()(const Piece& piece) const {
    const Dtype dtype = x[piece.tensor].dtype;
    if (dtype == Dtype::kI32) return fill<int32_t>(piece);
    on_floating(dtype, [&]<class T>() { fill<T>(piece); });
  }
};

static void random(const Random& op, Stream& stream) {
  const std::vector<uint64_t> first = first_elements(op.x);
  const Lists lists(stream, {op.x});
  if (lists.pieces() == 0) return;
  for_pieces(stream, lists,
             RandomPiece{lists.of(0),
                         stream.table(first.data(), op.x.count),
                         uint64_t(op.offset),
                         {uint64_t(op.seed), uint64_t(op.stream), op.distribution}});
}
ORTHOKIT_KERNEL(Random, random);

}  // namespace orthokit::cuda
