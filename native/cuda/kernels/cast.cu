#include "cuda/lists.cuh"
#include "ops/cast.h"

namespace orthokit::cuda {

struct CastPiece {
  const Operand *out, *x;
  __device__ void operator()(const Piece& piece) const {
    on_storage(x[piece.tensor].dtype, [&]<class From>() {
      on_storage(out[piece.tensor].dtype, [&]<class To>() {
        for_vectors(piece, [&](int64_t at, int n) {
          From from[kVector];
          To to[kVector];
          load_raw(x[piece.tensor].as<const From>() + at, n, from);
          for (int i = 0; i < kVector; ++i) to[i] = convert<To>(from[i]);
          store_raw(out[piece.tensor].as<To>() + at, n, to);
        });
      });
    });
  }
};

static void cast(const Cast& op, Stream& stream) {
  const Lists lists(stream, {op.out, op.x});
  for_pieces(stream, lists, CastPiece{lists.of(0), lists.of(1)});
}
ORTHOKIT_KERNEL(Cast, cast);

}  // namespace orthokit::cuda
