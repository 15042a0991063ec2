#include "cuda/kernel.h"
#include "cuda/kernels/dense/shared/eigh.cuh"
#include "cuda/launch.cuh"
#include "ops/dense/eigh.h"

namespace orthokit::cuda {

template <class T>
__global__ void __launch_bounds__(kDenseThreads, 2) eigh_kernel(EighWork<T> work) {
  EighBlock<T> block(work, reinterpret_cast<T*>(work.memory.of_block()));
  for (int64_t index = blockIdx.x; index < work.batch; index += gridDim.x) block.run(index);
}

static void eigh(const Eigh& op, Stream& stream) {
  const Matrices m = matrices(op.matrix);
  if (m.batch == 0) return;
  visit(op.matrix.dtype, [&]<class T>() {
    const int64_t n = m.rows;
    const unsigned blocks = dense_blocks(m.batch, 2 * int64_t(sizeof(T)) * n * n);
    const EighWork<T> work{op.matrix.as<T>(),
                           op.values.as<T>(),
                           op.vectors.as<T>(),
                           op.info.as<int32_t>(),
                           stream.scratch<T>(blocks * n * n),
                           stream.scratch<T>(blocks * n * n),
                           m.batch,
                           n,
                           {stream, n + 1, blocks}};
    launch(stream, eigh_kernel<T>, {blocks, kDenseThreads, work.memory.shared_bytes()}, work);
  });
}
ORTHOKIT_KERNEL(Eigh, eigh);

}  // namespace orthokit::cuda
