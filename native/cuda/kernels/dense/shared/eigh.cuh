// Eigenvalues and eigenvectors of a symmetric matrix, by one block.
#pragma once
#include <limits>

#include "cuda/kernels/dense/shared/dense.cuh"

namespace orthokit::cuda {

template <class T>
struct EighWork {
  const T* matrix;
  T *values, *vectors;
  int32_t* info;
  T *rotated, *basis;  // of each block: the matrix, and Vᵀ
  int64_t batch, n;
  BlockMemory memory;  // half angle and sine of each pair
};

// Jacobi's method: rounds of rotations of pairs that have nothing in common (Golub and Van Loan,
// 8.5).
template <class T>
class EighBlock {
 public:
  __device__ EighBlock(const EighWork<T>& work, T* memory)
      : work_(work),
        n_(work.n),
        pairs_(pairs_of(n_)),
        a_(work.rotated + blockIdx.x * n_ * n_),
        v_(work.basis + blockIdx.x * n_ * n_),
        halves_(memory),
        sines_(memory + pairs_) {}

  __device__ void run(int64_t index) {
    const T* matrix = work_.matrix + index * n_ * n_;
    const double largest =
        largest_of_block(n_ * n_, [&](int64_t i) { return i % n_ <= i / n_ ? matrix[i] : T(0); });
    int32_t info = largest < INFINITY ? 0 : kDenseNotFinite;
    if (info == 0) {
      const T power = T(power_to_unit_of<T>(largest));
      by_thread(n_ * n_, [&](int64_t i) {
        const int64_t row = i / n_, column = i % n_;
        a_[i] = power * (column <= row ? matrix[i] : matrix[column * n_ + row]);
        v_[i] = row == column ? T(1) : T(0);
      });
      __syncthreads();
      if (!rotate()) info = kDenseNotConverged;
      finish(index, info == 0 ? T(1) / power : T(NAN));
    } else {
      finish(index, T(NAN));
    }
    if (threadIdx.x == 0) work_.info[index] = info;
    __syncthreads();  // the next matrix takes the memory
  }

 private:
  __device__ bool rotate() {
    for (int sweep = 0; sweep < kMostSweeps; ++sweep) {
      double rotations = 0;
      for (int64_t round = 0; round < rounds_of(n_); ++round) {
        by_thread(pairs_, [&](int64_t i) { rotations += choose(i, pair_of(n_, round, i)); });
        __syncthreads();  // the angles are there
        by_warp(0, pairs_, [&](int64_t i, int lane) {
          const auto [p, q] = pair_of(n_, round, i);
          if (sines_[i] == 0) return;
          turn_rows(a_ + p * n_, a_ + q * n_, rotation_of(i), lane);
          if (work_.vectors) turn_rows(v_ + p * n_, v_ + q * n_, rotation_of(i), lane);
        });
        __syncthreads();
        by_warp(0, n_, [&](int64_t row, int lane) {
          for (int64_t i = lane; i < pairs_; i += kWarp)
            if (sines_[i] != 0) turn_columns(row, i, pair_of(n_, round, i));
        });
        __syncthreads();
      }
      if (block_reduce<Sum>(rotations) == 0) return true;
    }
    return false;
  }
  // The angle that makes a_pq zero. 1 if there is one.
  __device__ double choose(int64_t i, Pair pair) {
    const auto [p, q] = pair;
    constexpr T kSmall = std::numeric_limits<T>::epsilon() / 2;
    Rotation<T> rotation;
    const T off = q < n_ ? a_[p * n_ + q] : T(0);
    if ((off < 0 ? -off : off) > kSmall) {
      const T theta = (a_[q * n_ + q] - a_[p * n_ + p]) / (2 * off),
              size = theta < 0 ? -theta : theta, tangent = 1 / (size + sqrt(1 + theta * theta)),
              cosine = 1 / sqrt(1 + tangent * tangent);
      rotation.sine = (theta < 0 ? -tangent : tangent) * cosine;
      rotation.half = rotation.sine / (1 + cosine);
    }
    halves_[i] = rotation.half, sines_[i] = rotation.sine;
    return rotation.sine == 0 ? 0 : 1;
  }
  __device__ Rotation<T> rotation_of(int64_t i) const { return {sines_[i], halves_[i]}; }
  __device__ void turn_rows(T* x, T* y, Rotation<T> rotation, int lane) const {
    for (int64_t j = lane; j < n_; j += kWarp) rotation.turn(x[j], y[j]);
  }
  __device__ void turn_columns(int64_t row, int64_t i, Pair pair) const {
    T &x = a_[row * n_ + pair.first], &y = a_[row * n_ + pair.second];
    rotation_of(i).turn(x, y);
    if (row == pair.first) y = 0;
    if (row == pair.second) x = 0;
  }
  // Values in ascending order times `factor`, and their vectors; NaN where that is.
  __device__ void finish(int64_t index, T factor) {
    T* values = work_.values + index * n_;
    const bool is_nan = factor != factor;
    if (is_nan) {
      by_thread(n_, [&](int64_t i) { values[i] = factor; });
      if (work_.vectors)
        by_thread(n_ * n_, [&](int64_t i) { work_.vectors[index * n_ * n_ + i] = factor; });
      return;
    }
    // The diagonal, in the place of the angles: there is room for n.
    by_thread(n_, [&](int64_t i) { halves_[i] = a_[i * n_ + i]; });
    __syncthreads();
    by_warp(0, n_, [&](int64_t i, int lane) {
      const int64_t rank = rank_of(halves_, n_, i, true);
      if (lane == 0) values[rank] = halves_[i] * factor;
      if (!work_.vectors) return;
      T* vectors = work_.vectors + index * n_ * n_ + rank;
      const T* vector = v_ + i * n_;
      const T sign = sign_of_warp(vector, n_, lane),
              norm = norm_of_warp(vector, n_, lane);  // rotations round it: its length drifts
      for (int64_t j = lane; j < n_; j += kWarp) vectors[j * n_] = sign * vector[j] / norm;
    });
  }

  const EighWork<T>& work_;
  const int64_t n_, pairs_;
  T *a_, *v_, *halves_, *sines_;
};

}  // namespace orthokit::cuda
