#include "cuda/kernel.h"
#include "cuda/kernels/dense/shared/dense.cuh"
#include "cuda/launch.cuh"
#include "ops/dense/cholesky.h"

namespace orthokit::cuda {

template <class T>
struct CholeskyWork {
  const T* gram;
  T* factor;
  int32_t* info;
  int64_t batch, n;
  double rank_tolerance;
  BlockMemory memory;  // a column
};

template <class T>
class CholeskyBlock {
 public:
  __device__ CholeskyBlock(const CholeskyWork<T>& work, int64_t index, T* column)
      : work_(work), n_(work.n), a_(work.factor + index * n_ * n_), column_(column) {}

  // 0, or the order of the first minor that is not positive.
  __device__ int32_t run(const T* gram) {
    by_warp(0, n_, [&](int64_t i, int lane) {
      for (int64_t j = lane; j < n_; j += kWarp) a_[i * n_ + j] = j <= i ? gram[i * n_ + j] : T(0);
    });
    __syncthreads();
    T least = 0;
    if (work_.rank_tolerance > 0) {
      double largest = 0;
      by_thread(n_, [&](int64_t i) {
        if (double(a_[i * n_ + i]) > largest) largest = double(a_[i * n_ + i]);
      });
      least = T(work_.rank_tolerance * block_reduce<Max>(largest));
    }
    for (int64_t k = 0; k < n_; ++k) {
      const T pivot = a_[k * n_ + k];
      const bool is_zero = work_.rank_tolerance > 0 && pivot <= least;
      if (!is_zero && !(pivot > 0 && pivot < T(INFINITY))) return int32_t(k + 1);
      const T root = is_zero ? T(0) : sqrt(pivot);
      by_thread(n_ - k, [&](int64_t i) {
        const T own = a_[(k + i) * n_ + k];
        column_[k + i] = is_zero ? T(0) : i == 0 ? root : own / root;
      });
      __syncthreads();  // the column is complete
      by_thread(n_ - k, [&](int64_t i) { a_[(k + i) * n_ + k] = column_[k + i]; });
      by_warp(k + 1, n_, [&](int64_t i, int lane) {
        for (int64_t j = k + 1 + lane; j <= i; j += kWarp)
          a_[i * n_ + j] = fused(-column_[i], column_[j], a_[i * n_ + j]);
      });
      __syncthreads();  // the next pivot is there
    }
    return 0;
  }
  __device__ void fill(T value) {
    __syncthreads();  // the pivot has been read
    by_thread(n_ * n_, [&](int64_t i) { a_[i] = value; });
  }

 private:
  const CholeskyWork<T>& work_;
  const int64_t n_;
  T* a_;
  T* column_;
};

template <class T>
__global__ void __launch_bounds__(kDenseThreads, 2) cholesky_kernel(CholeskyWork<T> work) {
  T* column = reinterpret_cast<T*>(work.memory.of_block());
  for (int64_t index = blockIdx.x; index < work.batch; index += gridDim.x) {
    CholeskyBlock<T> block(work, index, column);
    const int32_t info = block.run(work.gram + index * work.n * work.n);
    if (info != 0) block.fill(T(NAN));
    if (threadIdx.x == 0) work.info[index] = info;
    __syncthreads();  // the next matrix takes the column
  }
}

static void cholesky(const Cholesky& op, Stream& stream) {
  const auto [batch, n, columns] = matrices(op.gram);
  if (batch == 0) return;
  visit(op.gram.dtype, [&, batch = batch, n = n]<class T>() {
    const unsigned blocks = dense_blocks(batch, 8 * n);
    const CholeskyWork<T> work{
        op.gram.as<T>(),   op.factor.as<T>(),  op.info.as<int32_t>(), batch, n,
        op.rank_tolerance, {stream, n, blocks}};
    launch(stream, cholesky_kernel<T>, {blocks, kDenseThreads, work.memory.shared_bytes()}, work);
  });
}
ORTHOKIT_KERNEL(Cholesky, cholesky);

}  // namespace orthokit::cuda
