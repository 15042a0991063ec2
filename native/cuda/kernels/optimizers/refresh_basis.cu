#include "cuda/kernels/dense/shared/eigh.cuh"
#include "cuda/kernels/optimizers/shared/step.cuh"
#include "ops/optimizers/refresh_basis.h"

namespace orthokit::cuda {

template <class T>
struct BasisWork {
  const T* x;
  T* basis;
  const int32_t* steps;
  const double* guard;
  int64_t gap, batch, rows, columns, vectors;
  bool is_left;
  double* gram;             // of each block
  EighWork<double> solver;  // of a matrix a block
};

// Element i of the opposite of a Gram matrix: falling eigenvalues are rising ones of it, where
// equal ones, such as those of zeros, keep their order.
template <class T>
__device__ double opposite_gram(const BasisWork<T>& work, const T* x, double power, int64_t i) {
  const int64_t n = work.solver.n, a = i / n, b = i % n;
  const int64_t inner = work.is_left ? work.columns : work.rows;
  const int64_t apart = work.is_left ? work.columns : 1, next = work.is_left ? 1 : work.columns;
  double sum = 0;
  for (int64_t k = 0; k < inner; ++k)
    sum = fused(power * double(x[a * apart + k * next]), power * double(x[b * apart + k * next]),
                sum);
  return -sum;
}

template <class T>
__global__ void __launch_bounds__(kDenseThreads, 2) refresh_basis_kernel(BasisWork<T> work) {
  if (is_held(work.guard) || *work.steps % work.gap != 0) return;
  const int64_t n = work.solver.n, slot = blockIdx.x;
  EighBlock<double> block(work.solver, reinterpret_cast<double*>(work.solver.memory.of_block()));
  for (int64_t index = slot; index < work.batch; index += gridDim.x) {
    const int64_t size = work.rows * work.columns;
    const T* x = work.x + index * size;
    // No constant: nvcc's front end cannot copy one that a lambda initializes.
    double largest = largest_of_block(size, [&](int64_t i) { return x[i]; });
    T* basis = work.basis + index * n * work.vectors;
    if (!(largest < INFINITY)) {
      by_thread(n * work.vectors, [&](int64_t i) { basis[i] = T(NAN); });
      continue;
    }
    const double power = power_to_unit_of<double>(largest);
    by_thread(n * n,
              [&](int64_t i) { work.gram[slot * n * n + i] = opposite_gram(work, x, power, i); });
    __syncthreads();
    block.run(slot);
    if (work.solver.info[slot] != 0) continue;
    by_thread(n * work.vectors, [&](int64_t i) {
      basis[i] = T(work.solver.vectors[(slot * n + i / work.vectors) * n + i % work.vectors]);
    });
    __syncthreads();  // the next matrix takes the memory
  }
}

static void refresh_basis(const RefreshBasis& op, Stream& stream) {
  const Projection p = op.projection();
  if (p.basis_size() == 0) return;
  const int64_t n = p.length();
  const unsigned blocks = dense_blocks(p.of.batch, 4 * int64_t(sizeof(double)) * n * n);
  const auto square = [&] { return stream.scratch<double>(blocks * n * n); };
  double* gram = square();
  const EighWork<double> solver{gram,
                                stream.scratch<double>(blocks * n),
                                square(),
                                stream.scratch<int32_t>(blocks),
                                square(),
                                square(),
                                p.of.batch,
                                n,
                                {stream, n + 1, blocks}};
  visit(op.x.dtype, [&]<class T>() {
    const BasisWork<T> work{op.x.as<T>(),
                            op.basis.as<T>(),
                            op.steps.as<int32_t>(),
                            op.guard.as<double>(),
                            op.gap,
                            p.of.batch,
                            p.of.rows,
                            p.of.columns,
                            p.vectors(),
                            p.is_left,
                            gram,
                            solver};
    launch(stream, refresh_basis_kernel<T>, {blocks, kDenseThreads, solver.memory.shared_bytes()},
           work);
  });
}
ORTHOKIT_KERNEL(RefreshBasis, refresh_basis);

}  // namespace orthokit::cuda
