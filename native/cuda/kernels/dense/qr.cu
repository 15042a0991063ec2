#include "cuda/kernel.h"
#include "cuda/kernels/dense/shared/dense.cuh"
#include "cuda/launch.cuh"
#include "ops/dense/qr.h"

namespace orthokit::cuda {

template <class T>
struct QrWork {
  const T* matrix;
  T *q, *r;
  T *columns, *basis;  // of each block: the matrix and Q, column by column
  int64_t batch, rows, width, sides;
  BlockMemory memory;  // diagonal and size of the reflections
};

// H = I − τ v vᵀ for each column, v₀ = 1; v lies in the place of what it removes.
template <class T>
class QrBlock {
 public:
  __device__ QrBlock(const QrWork<T>& work, T* memory)
      : work_(work),
        m_(work.rows),
        n_(work.width),
        k_(work.sides),
        a_(work.columns + blockIdx.x * m_ * n_),
        q_(work.basis + blockIdx.x * m_ * k_),
        diagonal_(memory),
        tau_(memory + k_) {}

  __device__ void run(int64_t index) {
    const T* matrix = work_.matrix + index * m_ * n_;
    T *q = work_.q + index * m_ * k_, *r = work_.r + index * k_ * n_;
    const double largest = largest_of_block(m_ * n_, [&](int64_t i) { return matrix[i]; });
    if (!(largest < INFINITY)) {
      by_thread(m_ * k_, [&](int64_t i) { q[i] = T(NAN); });
      by_thread(k_ * n_, [&](int64_t i) { r[i] = T(NAN); });
      return;
    }
    const T power = T(power_to_unit_of<T>(largest));
    by_thread(m_ * n_, [&](int64_t i) { a_[i % n_ * m_ + i / n_] = matrix[i] * power; });
    by_thread(m_ * k_, [&](int64_t i) { q_[i] = i / m_ == i % m_ ? T(1) : T(0); });
    __syncthreads();
    for (int64_t k = 0; k < k_; ++k) reflect(k);
    for (int64_t k = k_ - 1; k >= 0; --k) {
      apply(k, q_, k, k_);
      __syncthreads();
    }
    by_thread(m_ * k_, [&](int64_t i) {
      const int64_t column = i % k_;
      const T own = q_[column * m_ + i / k_];
      q[i] = diagonal_[column] < 0 ? -own : own;
    });
    by_thread(k_ * n_, [&](int64_t i) {
      const int64_t row = i / n_, column = i % n_;
      const T own = row == column ? diagonal_[row] : a_[column * m_ + row];
      r[i] = row > column ? T(0) : (diagonal_[row] < 0 ? -own : own) / power;
    });
    __syncthreads();  // the next matrix takes the memory
  }

 private:
  // Finds reflection k, and applies it to the columns behind.
  __device__ void reflect(int64_t k) {
    T* v = a_ + k * m_;
    double sum = 0;
    for (int64_t i = k + 1 + threadIdx.x; i < m_; i += kDenseThreads)
      sum = fused(double(v[i]), double(v[i]), sum);
    sum = block_reduce<Sum>(sum);
    const T first = v[k];
    __syncthreads();  // it has been read
    if (sum == 0) {
      if (threadIdx.x == 0) diagonal_[k] = first, tau_[k] = 0;
      __syncthreads();
      return;
    }
    const double norm = sqrt(fused(double(first), double(first), sum)),
                 beta = first > 0 ? -norm : norm, lead = double(first) - beta;
    for (int64_t i = k + 1 + threadIdx.x; i < m_; i += kDenseThreads) v[i] = T(double(v[i]) / lead);
    if (threadIdx.x == 0) diagonal_[k] = T(beta), tau_[k] = T(-lead / beta);
    __syncthreads();  // v is complete
    apply(k, a_, k + 1, n_);
    __syncthreads();
  }
  // To columns begin … end − 1, a warp each.
  __device__ void apply(int64_t k, T* columns, int64_t begin, int64_t end) const {
    const T *v = a_ + k * m_, tau = tau_[k];
    by_warp(begin, end, [&](int64_t j, int lane) {
      T* column = columns + j * m_;
      const T first = column[k], factor = tau * (first + warp_dot(v, column, k + 1, m_, lane));
      __syncwarp();  // the first has been read
      for (int64_t i = k + 1 + lane; i < m_; i += kWarp)
        column[i] = fused(-factor, v[i], column[i]);
      if (lane == 0) column[k] = first - factor;
    });
  }

  const QrWork<T>& work_;
  const int64_t m_, n_, k_;
  T *a_, *q_, *diagonal_, *tau_;
};

template <class T>
__global__ void __launch_bounds__(kDenseThreads, 2) qr_kernel(QrWork<T> work) {
  QrBlock<T> block(work, reinterpret_cast<T*>(work.memory.of_block()));
  for (int64_t index = blockIdx.x; index < work.batch; index += gridDim.x) block.run(index);
}

static void qr(const Qr& op, Stream& stream) {
  const Matrices m = matrices(op.matrix);
  if (op.matrix.size() == 0) return;
  visit(op.matrix.dtype, [&]<class T>() {
    const int64_t sides = smaller_side(op.matrix);
    const int64_t each = m.rows * m.columns + sides * (sides + m.rows);
    const unsigned blocks = dense_blocks(m.batch, int64_t(sizeof(T)) * each);
    const QrWork<T> work{op.matrix.as<T>(),
                         op.q.as<T>(),
                         op.r.as<T>(),
                         stream.scratch<T>(blocks * m.rows * m.columns),
                         stream.scratch<T>(blocks * m.rows * sides),
                         m.batch,
                         m.rows,
                         m.columns,
                         sides,
                         {stream, 2 * sides, blocks}};
    launch(stream, qr_kernel<T>, {blocks, kDenseThreads, work.memory.shared_bytes()}, work);
  });
}
ORTHOKIT_KERNEL(Qr, qr);

}  // namespace orthokit::cuda
