#include "cuda/device/fused.cuh"
#include "cuda/device/reduce.cuh"
#include "cuda/kernel.h"
#include "cuda/launch.cuh"
#include "ops/lowrank/fit_rows.h"

namespace orthokit::cuda {

inline constexpr int kFitThreads = 128;
inline constexpr int kTileEntries = 16;  // whose rows of x lie in shared memory together

template <class T>
struct FitWork {
  const int32_t *starts, *columns;
  const T *values, *x, *shift;
  T* out;
  double* squares;
  int32_t* singular;
  int64_t rows, x_rows, count;
  int n;
  double ridge;
};

// Doubles of a block: products of columns on and below the diagonal, right sides, solution, a tile.
inline constexpr int fit_doubles(int n) { return n * (n + 1) / 2 + 2 * n + kTileEntries * (n + 1); }

// One row of the sparse matrix, by one block: all threads hold the same numbers, and call every
// function.
template <class T>
class FitBlock {
 public:
  __device__ FitBlock(const FitWork<T>& work, double* memory)
      : work_(work),
        n_(work.n),
        triangle_(work.n * (work.n + 1) / 2),
        products_(memory),
        right_(products_ + triangle_),
        w_(right_ + n_),
        tile_(w_ + n_),
        targets_(tile_ + kTileEntries * n_) {}

  __device__ void run(int64_t row) {
    const int64_t begin = work_.starts[row], end = work_.starts[row + 1];
    T* out = work_.out + row * n_;
    const bool exists = entry_range(begin, end, work_.count).exists;
    bool is_singular = !exists;
    if (exists) {
      multiply(begin, end, work_.ridge);
      is_singular = !factorize();
      if (is_singular) {
        multiply(begin, end, work_.ridge);
        const double raised = kRaised * trace() / n_;
        add_to_diagonal(raised);
        factorize();
      }
      solve();
    }
    by_thread(n_, [&](int j) {
      out[j] = exists ? T(w_[j]) : T(NAN);
      w_[j] = double(out[j]);
    });
    __syncthreads();  // w is as it is stored
    const double squares = work_.squares && exists ? sum_of_squares(begin, end) : double(NAN);
    if (threadIdx.x == 0) {
      if (work_.squares) work_.squares[row] = squares;
      if (work_.singular) work_.singular[row] = is_singular;
    }
    __syncthreads();  // the next row takes the memory
  }

 private:
  template <class F>
  __device__ void by_thread(int count, F&& f) const {
    for (int i = int(threadIdx.x); i < count; i += kFitThreads) f(i);
  }
  static __device__ int at(int i, int j) { return i * (i + 1) / 2 + j; }  // j ≤ i
  static __device__ int row_of(int place) {
    int i = int((sqrt(8 * double(place) + 1) - 1) / 2);
    if (at(i + 1, 0) <= place) ++i;
    if (at(i, 0) > place) --i;
    return i;
  }

  // An entry whose column does not exist has a line of zeros.
  __device__ void load(int64_t first, int count) {
    __syncthreads();  // the tile before has been read
    by_thread(count * n_, [&](int i) {
      const int64_t column = work_.columns[first + i / n_];
      const bool exists = column >= 0 && column < work_.x_rows;
      tile_[i] = exists ? double(work_.x[column * n_ + i % n_]) : 0;
    });
    by_thread(count, [&](int e) {
      const int64_t column = work_.columns[first + e];
      const bool exists = column >= 0 && column < work_.x_rows;
      const double shift = exists && work_.shift ? double(work_.shift[column]) : 0;
      targets_[e] = exists ? double(work_.values[first + e]) - shift : 0;
    });
    __syncthreads();
  }
  template <class F>
  __device__ void for_tiles(int64_t begin, int64_t end, F&& f) {
    for (int64_t first = begin; first < end; first += kTileEntries) {
      const int count = end - first < kTileEntries ? int(end - first) : kTileEntries;
      load(first, count);
      f(count);
    }
  }

  __device__ void multiply(int64_t begin, int64_t end, double ridge) {
    __syncthreads();  // the factor before has been read
    by_thread(triangle_, [&](int place) { products_[place] = 0; });
    by_thread(n_, [&](int j) { right_[j] = 0; });
    for_tiles(begin, end, [&](int count) {
      by_thread(triangle_, [&](int place) {
        const int i = row_of(place), j = place - at(i, 0);
        double sum = products_[place];
        for (int e = 0; e < count; ++e) sum = fused(tile_[e * n_ + i], tile_[e * n_ + j], sum);
        products_[place] = sum;
      });
      by_thread(n_, [&](int j) {
        double sum = right_[j];
        for (int e = 0; e < count; ++e) sum = fused(targets_[e], tile_[e * n_ + j], sum);
        right_[j] = sum;
      });
    });
    __syncthreads();  // products and right sides are complete
    add_to_diagonal(ridge);
  }
  __device__ void add_to_diagonal(double x) {
    __syncthreads();  // the diagonal has been read
    by_thread(n_, [&](int j) {
      products_[at(j, j)] += x;
      w_[j] = products_[at(j, j)];
    });
    __syncthreads();
  }
  __device__ double trace() const {
    double sum = 0;
    for (int j = 0; j < n_; ++j) sum += products_[at(j, j)];
    return sum;
  }

  // L Lᵀ = products, the reciprocals of L's diagonal in its place; w holds the diagonal before.
  __device__ bool factorize() {
    bool good = true;
    for (int k = 0; k < n_; ++k) {
      const double pivot = products_[at(k, k)];
      good = good && pivot > least_pivot(n_) * w_[k] && pivot < double(INFINITY);
      const double inverse = pivot > 0 ? 1 / sqrt(pivot) : pivot <= 0 ? 0 : double(NAN);
      __syncthreads();  // the pivot has been read
      by_thread(n_ - k, [&](int i) {
        double& own = products_[at(k + i, k)];
        own = i == 0 ? inverse : own * inverse;
      });
      __syncthreads();  // the column is complete
      const int left = n_ - k - 1;
      by_thread(left * (left + 1) / 2, [&](int place) {
        const int row = row_of(place), i = k + 1 + row, j = k + 1 + place - at(row, 0);
        products_[at(i, j)] = fused(-products_[at(i, k)], products_[at(j, k)], products_[at(i, j)]);
      });
      __syncthreads();  // the next pivot is there
    }
    return good;
  }
  __device__ void solve() {
    by_thread(n_, [&](int j) { w_[j] = right_[j]; });
    for (int k = 0; k < n_; ++k) {
      __syncthreads();
      const double wk = w_[k] * products_[at(k, k)];
      __syncthreads();  // it has been read
      by_thread(n_ - k, [&](int i) {
        w_[k + i] = i == 0 ? wk : fused(-wk, products_[at(k + i, k)], w_[k + i]);
      });
    }
    for (int k = n_ - 1; k >= 0; --k) {
      __syncthreads();
      const double wk = w_[k] * products_[at(k, k)];
      __syncthreads();  // it has been read
      by_thread(k + 1,
                [&](int i) { w_[i] = i == k ? wk : fused(-wk, products_[at(k, i)], w_[i]); });
    }
    __syncthreads();
  }

  __device__ double sum_of_squares(int64_t begin, int64_t end) {
    double sum = 0;
    for_tiles(begin, end, [&](int count) {
      by_thread(count, [&](int e) {
        double residual = targets_[e];
        for (int j = 0; j < n_; ++j) residual = fused(-w_[j], tile_[e * n_ + j], residual);
        sum = fused(residual, residual, sum);
      });
    });
    return block_reduce<Sum>(sum);
  }

  const FitWork<T>& work_;
  const int n_, triangle_;
  double *const products_, *const right_, *const w_, *const tile_, *const targets_;
};

template <class T>
__global__ void __launch_bounds__(kFitThreads, 4) fit_rows_kernel(FitWork<T> work) {
  FitBlock<T> block(work, dyn_shared<double>());
  for (int64_t row = blockIdx.x; row < work.rows; row += gridDim.x) block.run(row);
}

static void fit_rows(const FitRows& op, Stream& stream) {
  const int64_t rows = op.out.shape[0];
  if (rows == 0) return;
  const auto n = int(op.x.shape[1]);
  constexpr int64_t kMostBlocks = 1 << 16;
  visit(op.x.dtype, [&]<class T>() {
    const FitWork<T> work{op.starts.as<int32_t>(),
                          op.columns.as<int32_t>(),
                          op.values.as<T>(),
                          op.x.as<T>(),
                          op.shift.as<T>(),
                          op.out.as<T>(),
                          op.squares.as<double>(),
                          op.singular.as<int32_t>(),
                          rows,
                          op.x.shape[0],
                          op.columns.shape[0],
                          n,
                          op.ridge};
    const auto blocks = unsigned(rows < kMostBlocks ? rows : kMostBlocks);
    launch(stream, fit_rows_kernel<T>,
           {blocks, kFitThreads, sizeof(double) * size_t(fit_doubles(n))}, work);
  });
}
ORTHOKIT_KERNEL(FitRows, fit_rows);

}  // namespace orthokit::cuda
