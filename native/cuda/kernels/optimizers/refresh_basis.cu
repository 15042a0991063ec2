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
  int64_t gap, batch, rows, columns, length;
  bool is_left, solves_left;
  double* gram;             // of each block
  EighWork<double> solver;  // of a matrix a block, the Gram matrix of its shorter side
  double* longer;           // of each block: vectors of the longer side, one after the other
  double *products, *left;  // of each block: with each of them, and of each axis
};

// Element i of the opposite of a Gram matrix: falling eigenvalues are rising ones of it, where
// equal ones, such as those of zeros, keep their order.
template <class T>
__device__ double opposite_gram(const BasisWork<T>& work, const T* x, double power, int64_t i) {
  const int64_t n = work.solver.n, a = i / n, b = i % n;
  const bool by_row = work.solves_left;
  const int64_t inner = by_row ? work.columns : work.rows;
  const int64_t apart = by_row ? work.columns : 1, next = by_row ? 1 : work.columns;
  double sum = 0;
  for (int64_t k = 0; k < inner; ++k)
    sum = fused(power * double(x[a * apart + k * next]), power * double(x[b * apart + k * next]),
                sum);
  return -sum;
}

// The vectors of the longer side that belong to those of the shorter one, in a block's memory.
template <class T>
class LongerSide {
 public:
  __device__ LongerSide(const BasisWork<T>& work, int64_t slot)
      : work_(work),
        n_(work.solver.n),
        length_(work.length),
        all_(work.longer + slot * n_ * length_),
        products_(work.products + slot * n_),
        left_(work.left + slot * length_),
        shorter_(work.solver.vectors + slot * n_ * n_) {}

  // Times the matrix, made orthonormal; axes stand in for those that are as good as 0.
  __device__ void find(const T* x, double power) {
    const int64_t apart = work_.is_left ? work_.columns : 1,
                  next = work_.is_left ? 1 : work_.columns;
    by_thread(n_ * length_, [&](int64_t at) {
      const int64_t j = at / length_, i = at % length_;
      double sum = 0;
      for (int64_t k = 0; k < n_; ++k)
        sum = fused(power * double(x[i * apart + k * next]), shorter_[k * n_ + j], sum);
      all_[at] = sum;
    });
    __syncthreads();
    double largest = 0;
    for (int64_t j = 0; j < n_; ++j) {
      double norm = make_orthogonal(j);
      if (j == 0) largest = norm;
      if (!(norm > RefreshBasis::kLeastSingular * largest)) {
        take_axis(j);
        norm = make_orthogonal(j);
      }
      by_thread(length_, [&](int64_t i) { all_[j * length_ + i] /= norm; });
      __syncthreads();
    }
  }
  // As columns, with their signs.
  __device__ void write(T* basis) const {
    by_warp(0, n_, [&](int64_t j, int lane) {
      const double* vector = all_ + j * length_;
      const double sign = sign_of_warp(vector, length_, lane);
      for (int64_t i = lane; i < length_; i += kWarp) basis[i * n_ + j] = T(sign * vector[i]);
    });
  }

 private:
  // Vector j beside those before it; its norm.
  __device__ double make_orthogonal(int64_t j) {
    double* vector = all_ + j * length_;
    for (int pass = 0; pass < 2; ++pass) {
      by_warp(0, j, [&](int64_t p, int lane) {
        const double product = warp_dot(all_ + p * length_, vector, 0, length_, lane);
        if (lane == 0) products_[p] = product;
      });
      __syncthreads();
      by_thread(length_, [&](int64_t i) {
        double sum = 0;
        for (int64_t p = 0; p < j; ++p) sum = fused(products_[p], all_[p * length_ + i], sum);
        vector[i] -= sum;
      });
      __syncthreads();
    }
    double squares = 0;
    by_thread(length_, [&](int64_t i) { squares = fused(vector[i], vector[i], squares); });
    return sqrt(block_reduce<Sum>(squares));
  }
  // The axis of which most is left beside the vectors before j.
  __device__ void take_axis(int64_t j) {
    by_thread(length_, [&](int64_t i) {
      double left = 1;
      for (int64_t p = 0; p < j; ++p) left -= all_[p * length_ + i] * all_[p * length_ + i];
      left_[i] = left;
    });
    __syncthreads();
    double near = kNearLargest * largest_of_block(length_, [&](int64_t i) { return left_[i]; });
    double first = -double(length_);
    by_thread(length_, [&](int64_t i) {
      if (left_[i] >= near && -double(i) > first) first = -double(i);
    });
    int64_t axis = int64_t(-block_reduce<Max>(first));
    by_thread(length_, [&](int64_t i) { all_[j * length_ + i] = i == axis ? 1 : 0; });
    __syncthreads();
  }

  const BasisWork<T>& work_;
  const int64_t n_, length_;
  double *const all_, *const products_, *const left_;
  const double* const shorter_;
};

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
    T* basis = work.basis + index * n * work.length;
    if (!(largest < INFINITY)) {
      by_thread(n * work.length, [&](int64_t i) { basis[i] = T(NAN); });
      continue;
    }
    const double power = power_to_unit_of<double>(largest);
    by_thread(n * n,
              [&](int64_t i) { work.gram[slot * n * n + i] = opposite_gram(work, x, power, i); });
    __syncthreads();
    block.run(slot);
    if (work.solver.info[slot] != 0) continue;
    if (work.length > n) {
      LongerSide<T> longer(work, slot);
      longer.find(x, power);
      longer.write(basis);
    } else {
      by_thread(n * n, [&](int64_t i) { basis[i] = T(work.solver.vectors[slot * n * n + i]); });
    }
    __syncthreads();  // the next matrix takes the memory
  }
}

static void refresh_basis(const RefreshBasis& op, Stream& stream) {
  const Projection p = op.projection();
  if (p.basis_size() == 0) return;
  const int64_t n = p.vectors(), longer = p.is_longer() ? p.length() : 0;
  const unsigned blocks =
      dense_blocks(p.of.batch, int64_t(sizeof(double)) * (4 * n * n + longer * (n + 1)));
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
                            p.length(),
                            p.is_left,
                            op.solves_left(),
                            gram,
                            solver,
                            stream.scratch<double>(blocks * longer * n),
                            stream.scratch<double>(blocks * n),
                            stream.scratch<double>(blocks * longer)};
    launch(stream, refresh_basis_kernel<T>, {blocks, kDenseThreads, solver.memory.shared_bytes()},
           work);
  });
}
ORTHOKIT_KERNEL(RefreshBasis, refresh_basis);

}  // namespace orthokit::cuda
