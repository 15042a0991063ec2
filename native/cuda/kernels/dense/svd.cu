#include "cuda/kernel.h"
#include "cuda/kernels/dense/shared/dense.cuh"
#include "cuda/launch.cuh"
#include "ops/dense/svd.h"

namespace orthokit::cuda {

template <class T>
struct SvdWork {
  const T* matrix;
  T *u, *s, *v;
  int32_t* info;
  T *lines, *basis;  // of each block: columns of the matrix, or rows of a wide one; the rotations
  int64_t batch, rows, columns;
  BlockMemory memory;  // norms, products
};

// One-sided Jacobi: rotations of pairs of lines until all are orthogonal (Hestenes 1958; Golub and
// Van Loan, 8.6.3). Lines are the columns of the matrix, or the rows of one that is wide.
template <class T>
class SvdBlock {
 public:
  __device__ SvdBlock(const SvdWork<T>& work, T* memory)
      : work_(work),
        is_wide_(work.rows < work.columns),
        count_(is_wide_ ? work.rows : work.columns),
        length_(is_wide_ ? work.columns : work.rows),
        lines_(work.lines + blockIdx.x * count_ * length_),
        basis_(work.basis + blockIdx.x * count_ * count_),
        norms_(memory),
        products_(memory + count_) {}

  __device__ void run(int64_t index) {
    const T* matrix = work_.matrix + index * count_ * length_;
    const double largest = largest_of_block(count_ * length_, [&](int64_t i) { return matrix[i]; });
    int32_t info = largest < INFINITY ? 0 : kDenseNotFinite;
    if (info == 0) {
      const T power = T(power_to_unit_of<T>(largest));
      by_thread(count_ * length_, [&](int64_t i) {
        const int64_t row = i / work_.columns, column = i % work_.columns;
        lines_[is_wide_ ? i : column * length_ + row] = matrix[i] * power;
      });
      by_thread(count_ * count_,
                [&](int64_t i) { basis_[i] = i / count_ == i % count_ ? T(1) : T(0); });
      __syncthreads();
      if (rotate())
        finish(index, T(1) / power);
      else
        info = kDenseNotConverged;
    }
    if (info != 0) fail(index);
    if (threadIdx.x == 0) work_.info[index] = info;
    __syncthreads();  // the next matrix takes the memory
  }

 private:
  __device__ T* line(int64_t i) const { return lines_ + i * length_; }

  __device__ bool rotate() {
    int near_sweeps = 0;
    for (int sweep = 0; sweep < kMostSweeps; ++sweep) {
      double widest = double(Angle::kRight);
      for (int64_t round = 0; round < rounds_of(count_); ++round) {
        by_warp(0, pairs_of(count_), [&](int64_t i, int lane) {
          const auto [p, q] = pair_of(count_, round, i);
          if (q < count_) widest = fmax(widest, double(turn(p, q, lane)));
        });
        __syncthreads();
      }
      widest = block_reduce<Max>(widest);
      if (widest == double(Angle::kRight)) return true;
      if (widest == double(Angle::kNear) && ++near_sweeps == kNearSweeps) return true;
    }
    return near_sweeps > 0;
  }
  // Makes two lines orthogonal. The angle between them before.
  __device__ Angle turn(int64_t p, int64_t q, int lane) const {
    T *x = line(p), *y = line(q);
    double xx = 0, xy = 0, yy = 0;
    for (int64_t j = lane; j < length_; j += kWarp) {
      const double a = double(x[j]), b = double(y[j]);
      xx = fused(a, a, xx), xy = fused(a, b, xy), yy = fused(b, b, yy);
    }
    xx = warp_reduce<Sum>(xx), xy = warp_reduce<Sum>(xy), yy = warp_reduce<Sum>(yy);
    xx = sqrt(xx), yy = sqrt(yy);
    if (xx <= kNoise<T> || yy <= kNoise<T>) return Angle::kRight;
    const Angle angle = angle_of<T>(xy, xx * yy, length_);
    if (angle == Angle::kRight) return angle;
    const double zeta = (yy - xx) * (yy + xx) / (2 * xy), far = zeta < 0 ? -zeta : zeta,
                 tangent = (zeta < 0 ? -1 : 1) / (far + sqrt(1 + zeta * zeta)),
                 cosine = 1 / sqrt(1 + tangent * tangent), sine = tangent * cosine;
    const Rotation<T> rotation{T(sine), T(sine / (1 + cosine))};
    for (int64_t j = lane; j < length_; j += kWarp) rotation.turn(x[j], y[j]);
    if (work_.u)
      for (int64_t j = lane; j < count_; j += kWarp)
        rotation.turn(basis_[p * count_ + j], basis_[q * count_ + j]);
    return angle;
  }

  __device__ void finish(int64_t index, T factor) {
    by_warp(0, count_, [&](int64_t i, int lane) {
      const T norm = norm_of_warp(line(i), length_, lane);
      if (lane == 0) norms_[i] = norm;
      const bool is_noise = norm <= T(kNoise<T>);
      for (int64_t j = lane; j < length_; j += kWarp)
        line(i)[j] = is_noise ? T(0) : line(i)[j] / norm;
    });
    __syncthreads();
    if (work_.u)
      for (int64_t i = 0; i < count_; ++i)
        if (norms_[i] <= T(kNoise<T>)) complete(i);
    T* s = work_.s + index * count_;
    by_warp(0, count_, [&](int64_t i, int lane) {
      const int64_t rank = rank_of(norms_, count_, i, false);
      if (lane == 0) s[rank] = norms_[i] * factor;
      if (!work_.u) return;
      const T *long_one = line(i), *short_one = basis_ + i * count_;
      const T sign =
          is_wide_ ? sign_of_warp(short_one, count_, lane) : sign_of_warp(long_one, length_, lane);
      T* long_out = (is_wide_ ? work_.v : work_.u) + index * length_ * count_ + rank;
      T* short_out = (is_wide_ ? work_.u : work_.v) + index * count_ * count_ + rank;
      const T norm =
          norm_of_warp(short_one, count_, lane);  // rotations round it: its length drifts
      for (int64_t j = lane; j < length_; j += kWarp) long_out[j * count_] = sign * long_one[j];
      for (int64_t j = lane; j < count_; j += kWarp)
        short_out[j * count_] = sign * short_one[j] / norm;
    });
  }
  // A line of zeros becomes a vector of length 1, orthogonal to all others that are not zero: of
  // the unit vectors, the one that lies furthest from their span, less its projection, twice.
  __device__ void complete(int64_t i) {
    T* own = line(i);
    BestAtom<T> best;
    by_thread(length_, [&](int64_t j) {
      T inside = 0;
      for (int64_t other = 0; other < count_; ++other)
        inside = fused(line(other)[j], line(other)[j], inside);
      best.look(T(2) - inside, j, [](int64_t) { return false; });
    });
    best = block_best(best);
    by_thread(length_, [&](int64_t j) { own[j] = j == best.index ? T(1) : T(0); });
    __syncthreads();
    for (int pass = 0; pass < 2; ++pass) {
      by_warp(0, count_, [&](int64_t other, int lane) {
        const T product = other == i ? T(0) : warp_dot(line(other), own, 0, length_, lane);
        if (lane == 0) products_[other] = product;
      });
      __syncthreads();
      by_thread(length_, [&](int64_t j) {
        for (int64_t other = 0; other < count_; ++other)
          if (other != i) own[j] = fused(-products_[other], line(other)[j], own[j]);
      });
      __syncthreads();
      double sum = 0;
      by_thread(length_, [&](int64_t j) { sum = fused(double(own[j]), double(own[j]), sum); });
      const T norm = T(sqrt(block_reduce<Sum>(sum)));
      by_thread(length_, [&](int64_t j) { own[j] /= norm; });
      __syncthreads();
    }
  }

  __device__ void fail(int64_t index) const {
    by_thread(count_, [&](int64_t i) { work_.s[index * count_ + i] = T(NAN); });
    if (!work_.u) return;
    T *u = work_.u + index * work_.rows * count_, *v = work_.v + index * work_.columns * count_;
    by_thread(work_.rows * count_, [&](int64_t i) { u[i] = T(NAN); });
    by_thread(work_.columns * count_, [&](int64_t i) { v[i] = T(NAN); });
  }

  const SvdWork<T>& work_;
  const bool is_wide_;
  const int64_t count_, length_;
  T *lines_, *basis_, *norms_, *products_;
};

template <class T>
__global__ void __launch_bounds__(kDenseThreads, 2) svd_kernel(SvdWork<T> work) {
  SvdBlock<T> block(work, reinterpret_cast<T*>(work.memory.of_block()));
  for (int64_t index = blockIdx.x; index < work.batch; index += gridDim.x) block.run(index);
}

static void svd(const Svd& op, Stream& stream) {
  const Matrices m = matrices(op.matrix);
  if (m.batch == 0) return;
  visit(op.matrix.dtype, [&]<class T>() {
    const int64_t sides = smaller_side(op.matrix);
    const int64_t each = m.rows * m.columns + sides * (sides + m.rows);
    const unsigned blocks = dense_blocks(m.batch, int64_t(sizeof(T)) * each);
    const SvdWork<T> work{op.matrix.as<T>(),
                          op.u.as<T>(),
                          op.s.as<T>(),
                          op.v.as<T>(),
                          op.info.as<int32_t>(),
                          stream.scratch<T>(blocks * m.rows * m.columns),
                          stream.scratch<T>(blocks * sides * sides),
                          m.batch,
                          m.rows,
                          m.columns,
                          {stream, 2 * sides, blocks}};
    launch(stream, svd_kernel<T>, {blocks, kDenseThreads, work.memory.shared_bytes()}, work);
  });
}
ORTHOKIT_KERNEL(Svd, svd);

}  // namespace orthokit::cuda
