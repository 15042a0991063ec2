#include "cuda/lists.cuh"
#include "ops/elementwise/cast.h"

namespace orthokit::cuda {

// Through a type that holds every element of both dtypes exactly: one rounding in all, and a case a
// dtype instead of a case a pair.
struct CastPiece {
  const Operand *out, *x;
  template <class Wide>
  __device__ void cast(const Piece& piece) const {
    const void* const from = x[piece.tensor].data;
    void* const to = out[piece.tensor].data;
    const Dtype of_x = x[piece.tensor].dtype, of_out = out[piece.tensor].dtype;
    for_vectors(piece, [&](int64_t at, int n) {
      Wide values[kVector];
      on_storage(of_x, [&]<class S>() {
        S raw[kVector];
        load_raw(static_cast<const S*>(from) + at, n, raw);
#pragma unroll
        for (int i = 0; i < kVector; ++i) values[i] = convert<Wide>(raw[i]);
      });
      on_storage(of_out, [&]<class S>() {
        S raw[kVector];
#pragma unroll
        for (int i = 0; i < kVector; ++i) raw[i] = convert<S>(values[i]);
        store_raw(static_cast<S*>(to) + at, n, raw);
      });
    });
  }
  static __device__ bool needs_double(Dtype dtype) {
    return dtype == Dtype::kF64 || dtype == Dtype::kI32;
  }
  __device__ void operator()(const Piece& piece) const {
    if (needs_double(x[piece.tensor].dtype) || needs_double(out[piece.tensor].dtype))
      cast<double>(piece);
    else
      cast<float>(piece);
  }
};

static void cast(const Cast& op, Stream& stream) {
  const Lists lists(stream, {op.out, op.x});
  for_pieces(stream, lists, CastPiece{lists.of(0), lists.of(1)});
}
ORTHOKIT_KERNEL(Cast, cast);

}  // namespace orthokit::cuda
