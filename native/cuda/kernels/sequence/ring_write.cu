#include "cuda/matrix.cuh"
#include "ops/sequence/ring_write.h"

namespace orthokit::cuda {

template <class T>
struct WriteSlot {
  T* ring;  // from the slot of the first stream on
  const T* x;
  T* old;
  int64_t stride, size;
  template <int N>
  __device__ void operator()(int64_t i, int64_t at) const {
    if (old) store_group(old + i * size, at, load_group<N>(ring + i * stride, at));
    store_group(ring + i * stride, at, load_group<N>(x + i * size, at));
  }
};

static void ring_write(const RingWrite& op, Stream& stream) {
  const int64_t size = op.ring.shape[2];
  visit_moved(op.ring.dtype, [&]<class T>() {
    for_matrix(stream, op.ring.shape[0], size,
               WriteSlot<T>{op.ring.as<T>() + op.slot * size, op.x.as<T>(), op.old.as<T>(),
                            op.ring.shape[1] * size, size});
  });
}
ORTHOKIT_KERNEL(RingWrite, ring_write);

}  // namespace orthokit::cuda
