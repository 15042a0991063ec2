#include "cuda/kernel.h"
#include "cuda/kernels/dense/shared/dense.cuh"
#include "cuda/launch.cuh"
#include "ops/dense/lu.h"

namespace orthokit::cuda {

template <class T>
struct LuWork {
  const T* matrix;
  T* lu;
  int32_t *pivots, *info;
  int64_t batch, rows, columns;
  double tolerance;
  BlockMemory memory;  // a column
};

template <class T>
class LuBlock {
 public:
  __device__ LuBlock(const LuWork<T>& work, int64_t index, T* column)
      : work_(work),
        rows_(work.rows),
        columns_(work.columns),
        sides_(rows_ < columns_ ? rows_ : columns_),
        a_(work.lu + index * rows_ * columns_),
        pivots_(work.pivots + index * rows_),
        column_(column) {}

  __device__ void run(const T* matrix) {
    if (matrix != a_) by_thread(rows_ * columns_, [&](int64_t i) { a_[i] = matrix[i]; });
    by_thread(rows_, [&](int64_t i) { pivots_[i] = int32_t(i); });
    __syncthreads();
    for (int64_t k = 0; k < sides_; ++k) {
      exchange(k);
      const T* above = a_ + k * columns_;
      const T pivot = above[k];
      by_thread(rows_ - k - 1, [&](int64_t i) {
        const T own = a_[(k + 1 + i) * columns_ + k];
        column_[k + 1 + i] = pivot == 0 ? own : own / pivot;
      });
      __syncthreads();  // the column is complete
      by_warp(k + 1, rows_, [&](int64_t i, int lane) {
        T* own = a_ + i * columns_;
        const T factor = column_[i];
        for (int64_t j = k + 1 + lane; j < columns_; j += kWarp)
          own[j] = fused(-factor, above[j], own[j]);
        if (lane == 0) own[k] = factor;
      });
      __syncthreads();  // the next column is there
    }
  }

  __device__ int32_t info() const {
    double largest = 0;
    by_thread(sides_, [&](int64_t k) {
      if (size_of(k) > largest) largest = size_of(k);
    });
    const double least = work_.tolerance * block_reduce<Max>(largest);
    double first = -double(sides_);
    by_thread(sides_, [&](int64_t k) {
      if (!(size_of(k) > least) && -double(k) > first) first = -double(k);
    });
    first = block_reduce<Max>(first);
    return -first < double(sides_) ? int32_t(-first) + 1 : 0;
  }

 private:
  __device__ double size_of(int64_t k) const {
    const T own = a_[k * columns_ + k];
    return double(own < 0 ? -own : own);
  }
  // Brings the largest of column k to row k.
  __device__ void exchange(int64_t k) const {
    BestAtom<T> best;
    by_thread(rows_ - k, [&](int64_t i) {
      const T own = a_[(k + i) * columns_ + k];
      best.look(own < 0 ? -own : own, k + i, [](int64_t) { return false; });
    });
    best = block_best(best);
    if (best.index > k) {
      T *own = a_ + k * columns_, *other = a_ + best.index * columns_;
      by_thread(columns_, [&](int64_t j) {
        const T kept = own[j];
        own[j] = other[j];
        other[j] = kept;
      });
      if (threadIdx.x == 0) {
        const int32_t kept = pivots_[k];
        pivots_[k] = pivots_[best.index];
        pivots_[best.index] = kept;
      }
    }
    __syncthreads();  // the rows are in their places
  }

  const LuWork<T>& work_;
  const int64_t rows_, columns_, sides_;
  T* a_;
  int32_t* pivots_;
  T* column_;
};

template <class T>
__global__ void __launch_bounds__(kDenseThreads, 2) lu_kernel(LuWork<T> work) {
  T* column = reinterpret_cast<T*>(work.memory.of_block());
  for (int64_t index = blockIdx.x; index < work.batch; index += gridDim.x) {
    LuBlock<T> block(work, index, column);
    block.run(work.matrix + index * work.rows * work.columns);
    const int32_t info = block.info();
    if (threadIdx.x == 0) work.info[index] = info;
    __syncthreads();  // the next matrix takes the column
  }
}

static void lu(const Lu& op, Stream& stream) {
  const Matrices m = matrices(op.matrix);
  if (m.batch == 0) return;
  visit(op.matrix.dtype, [&]<class T>() {
    const unsigned blocks = dense_blocks(m.batch, 8 * m.rows);
    const LuWork<T> work{op.matrix.as<T>(),
                         op.lu.as<T>(),
                         op.pivots.as<int32_t>(),
                         op.info.as<int32_t>(),
                         m.batch,
                         m.rows,
                         m.columns,
                         op.tolerance,
                         {stream, m.rows, blocks}};
    launch(stream, lu_kernel<T>, {blocks, kDenseThreads, work.memory.shared_bytes()}, work);
  });
}
ORTHOKIT_KERNEL(Lu, lu);

}  // namespace orthokit::cuda
