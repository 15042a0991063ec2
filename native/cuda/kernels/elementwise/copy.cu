#include "cuda/lists.cuh"
#include "ops/elementwise/copy.h"

namespace orthokit::cuda {

struct CopyPiece {
  const Operand *out, *x;
  __device__ void operator()(const Piece& piece) const {
    on_storage(x[piece.tensor].dtype, [&]<class T>() {
      T* to = out[piece.tensor].as<T>();
      const T* from = x[piece.tensor].as<const T>();
      for_vectors(piece, [&](int64_t at, int n) {
        T values[kVector];
        load_raw(from + at, n, values);
        store_raw(to + at, n, values);
      });
    });
  }
};

static void copy(const Copy& op, Stream& stream) {
  const Lists lists(stream, {op.out, op.x});
  for_pieces(stream, lists, CopyPiece{lists.of(0), lists.of(1)});
}
ORTHOKIT_KERNEL(Copy, copy);

}  // namespace orthokit::cuda
