#include "cuda/lists.cuh"
#include "ops/elementwise/fill.h"

namespace orthokit::cuda {

struct FillPiece {
  const Operand* x;
  double value;
  __device__ void operator()(const Piece& piece) const {
    on_storage(x[piece.tensor].dtype, [&]<class T>() {
      T* to = x[piece.tensor].as<T>();
      T values[kVector];
      for (T& v : values) v = convert<T>(value);
      for_vectors(piece, [&](int64_t at, int n) { store_raw(to + at, n, values); });
    });
  }
};

static void fill(const Fill& op, Stream& stream) {
  const Lists lists(stream, {op.x});
  for_pieces(stream, lists, FillPiece{lists.of(0), op.value});
}
ORTHOKIT_KERNEL(Fill, fill);

}  // namespace orthokit::cuda
