#include "cuda/kernels/pursuit/shared/support.cuh"
#include "cuda/launch.cuh"
#include "cuda/widened.cuh"
#include "math/dft.h"
#include "ops/rows/dct.h"

namespace orthokit::cuda {

inline constexpr int kDctThreads = 256;

template <class T>
struct DctTables {
  T* roots;  // e^(−2πi t/points)
  math::CosineConstants<T>* ends;
  int64_t length, points;
  double scale;
  template <int N>
  __device__ void operator()(int64_t, int64_t at) const {
    for (int64_t t = at; t < at + N; ++t) {
      const math::UnitRoot root = math::unit_root(t, points);
      roots[2 * t] = T(root.re), roots[2 * t + 1] = T(root.im);
      if (t <= points / 2) ends[t] = math::cosine_constants<T>(t, length, scale);
    }
  }
};

template <class T>
struct DctWork {
  const T* x;
  T* out;
  const T* roots;
  const math::CosineConstants<T>* ends;
  T first_scale;
  int64_t rows;
  DctPlan plan;
  BlockMemory memory;  // two times the complex numbers of a row
};

// A block a row: its numbers lie in shared memory, where they fit.
template <class T>
class DctBlock {
 public:
  __device__ DctBlock(const DctWork<T>& work, T* memory)
      : work_(work), plan_(work.plan), here_(memory), there_(memory + 2 * work.plan.points) {}

  __device__ void dct2(const T* x, T* out) {
    const bool is_even = plan_.is_even();
    each(plan_.length, [&](int64_t c) {
      const int64_t j = plan_.turned(c);
      here_[is_even ? j : 2 * j] = x[c];
      if (!is_even) here_[2 * j + 1] = 0;
    });
    transform();
    const int64_t n = plan_.length, m = plan_.points;
    each(plan_.ends() + 1, [&](int64_t k) {
      if (k == 0) {
        out[0] = work_.first_scale * (is_even ? here_[0] + here_[1] : here_[0]);
        if (is_even) out[m] = work_.first_scale * (here_[0] - here_[1]);
      } else if (is_even) {
        const T* z = here_ + 2 * k;
        const T* other = here_ + 2 * (m - k);
        const T parts[4] = {z[0], z[1], other[0], other[1]};
        T ends[4];
        math::dct2_end(work_.ends[k], parts, ends);
        out[k] = ends[0], out[n - k] = ends[1];
        if (2 * k != m) out[m - k] = ends[2], out[m + k] = ends[3];
      } else {
        const T parts[2] = {here_[2 * k], here_[2 * k + 1]};
        T ends[2];
        math::dct2_end_odd(work_.ends[k], parts, ends);
        out[k] = ends[0], out[n - k] = ends[1];
      }
    });
  }

  // Backwards by the same transform, of numbers whose parts have changed places.
  __device__ void dct3(const T* x, T* out) {
    const bool is_even = plan_.is_even();
    const int64_t n = plan_.length, m = plan_.points;
    each(plan_.ends() + 1, [&](int64_t k) {
      if (k == 0) {
        here_[1] = work_.first_scale * (is_even ? x[0] + x[m] : x[0]);
        here_[0] = is_even ? work_.first_scale * (x[0] - x[m]) : T(0);
      } else if (is_even) {
        const T parts[4] = {x[k], x[n - k], x[m - k], x[m + k]};
        T z[4];
        math::dct3_start(work_.ends[k], parts, z);
        here_[2 * k + 1] = z[0], here_[2 * k] = z[1];
        if (2 * k != m) here_[2 * (m - k) + 1] = z[2], here_[2 * (m - k)] = z[3];
      } else {
        const T parts[2] = {x[k], x[n - k]};
        T z[2];
        math::dct3_start_odd(work_.ends[k], parts, z);
        here_[2 * k + 1] = z[0], here_[2 * k] = z[1];
        here_[2 * (n - k) + 1] = z[0], here_[2 * (n - k)] = -z[1];
      }
    });
    transform();
    each(n, [&](int64_t c) {
      const int64_t j = plan_.turned(c);
      out[c] = here_[is_even ? j ^ 1 : 2 * j + 1];
    });
  }

 private:
  template <class F>
  static __device__ __forceinline__ void each(int64_t count, const F& f) {
    for (int64_t i = threadIdx.x; i < count; i += kDctThreads) f(i);
    __syncthreads();
  }

  // Stockham's order, as on the CPU.
  __device__ void transform() {
    int64_t done = 1;
    for (int i = 0; i < plan_.count; ++i) {
      const int64_t factor = plan_.factors[i], rest = plan_.points / done / factor;
      if (factor == 4)
        pass<4>(done, rest);
      else if (factor == 2)
        pass<2>(done, rest);
      else if (factor == 3)
        pass<3>(done, rest);
      else if (factor == 5)
        pass<5>(done, rest);
      else
        pass_of_prime(factor, done, rest);
      T* const read = here_;
      here_ = there_, there_ = read;
      done *= factor;
    }
  }
  template <int r>
  __device__ void pass(int64_t done, int64_t rest) const {
    each(done * rest, [&](int64_t item) {
      const int64_t i = item / done, q = item % done;
      T re[r], im[r];
#pragma unroll
      for (int j = 0; j < r; ++j) {
        const T* z = here_ + 2 * (q + done * (i + rest * j));
        re[j] = z[0], im[j] = z[1];
      }
      math::small_dft<r, T>(re, im);
#pragma unroll
      for (int j = 0; j < r; ++j) {
        const T* w = work_.roots + 2 * j * i * done;
        T* z = there_ + 2 * (q + done * (r * i + j));
        z[0] = w[0] * re[j] - w[1] * im[j], z[1] = w[0] * im[j] + w[1] * re[j];
      }
    });
  }
  __device__ void pass_of_prime(int64_t r, int64_t done, int64_t rest) const {
    const int64_t step = plan_.points / r;
    each(plan_.points, [&](int64_t item) {
      const int64_t j = item / (done * rest), i = item / done % rest, q = item % done;
      T sum = 0, sum_im = 0;
      for (int64_t k = 0, turn = 0; k < r; ++k) {
        const T* w = work_.roots + 2 * turn * step;
        const T* z = here_ + 2 * (q + done * (i + rest * k));
        sum += w[0] * z[0] - w[1] * z[1], sum_im += w[0] * z[1] + w[1] * z[0];
        turn = turn + j < r ? turn + j : turn + j - r;
      }
      const T* w = work_.roots + 2 * j * i * done;
      T* z = there_ + 2 * (q + done * (r * i + j));
      z[0] = w[0] * sum - w[1] * sum_im, z[1] = w[0] * sum_im + w[1] * sum;
    });
  }

  const DctWork<T>& work_;
  const DctPlan& plan_;
  T *here_, *there_;
};

template <class T, DctKind kind>
__global__ void __launch_bounds__(kDctThreads, 2) dct_kernel(DctWork<T> work) {
  T* const memory = reinterpret_cast<T*>(work.memory.of_block());
  for (int64_t row = blockIdx.x; row < work.rows; row += gridDim.x) {
    DctBlock<T> block(work, memory);
    const int64_t at = row * work.plan.length;
    if constexpr (kind == DctKind::kDct2)
      block.dct2(work.x + at, work.out + at);
    else
      block.dct3(work.x + at, work.out + at);
  }
}

static void dct(const Dct& op, Stream& stream) {
  const int64_t rows = row_count(op.x), n = row_length(op.x);
  if (rows == 0 || n == 0) return;
  visit(op.x.dtype, [&]<class T>() {
    const DctPlan plan(n);
    auto* roots = stream.scratch<T>(2 * plan.points);
    auto* ends = stream.scratch<math::CosineConstants<T>>(plan.points / 2 + 1);
    for_matrix(stream, 1, plan.points,
               DctTables<T>{roots, ends, n, plan.points, plan.scale(op.kind)});
    const int64_t doubles = (4 * plan.points * int64_t(sizeof(T)) + 7) / 8;
    const int64_t most = BlockMemory::is_shared(doubles) ? std::min<int64_t>(rows, 1 << 16)
                                                         : BlockMemory::blocks_for(doubles, rows);
    const DctWork<T> work{op.x.as<T>(),          op.out.as<T>(), roots, ends,
                          T(plan.first_scale()), rows,           plan,  {stream, doubles, most}};
    const Grid grid{unsigned(most), kDctThreads, work.memory.shared_bytes()};
    if (op.kind == DctKind::kDct2)
      launch(stream, dct_kernel<T, DctKind::kDct2>, grid, work);
    else
      launch(stream, dct_kernel<T, DctKind::kDct3>, grid, work);
  });
}
ORTHOKIT_WIDE_KERNEL(Dct, dct);

}  // namespace orthokit::cuda
