#include "cuda/columns.cuh"
#include "cuda/kernels/network/shared/row_moments.cuh"
#include "cuda/widened.cuh"
#include "ops/network/layer_norm_backward.h"

namespace orthokit::cuda {
namespace {

inline constexpr int64_t kMostBands = 512;    // of rows, a block each: they have sums over columns
inline constexpr int64_t kWarpColumns = 256;  // up to here a warp takes a row
// Up to here sums fit in shared memory, beside what block_reduce takes.
inline constexpr int64_t kSharedColumns =
    (kMostShared - kMostWarps * sizeof(double)) / (2 * sizeof(double));

// The sums that a block adds its rows' gradients of weight and bias to, by column.
struct ColumnSums {
  double* sums;  // of weight, then of bias; null: nobody asks
  int64_t columns;

  // Neighbouring threads take neighbouring fours, which would fall in the same banks.
  __device__ int64_t slot(int64_t j) const {
    return columns % kVector == 0 ? j % kVector * (columns / kVector) + j / kVector : j;
  }
  __device__ void clear(int64_t j) const { sums[slot(j)] = 0, sums[columns + slot(j)] = 0; }
  __device__ void add(int64_t j, double by_weight, double by_bias) const {
    sums[slot(j)] += by_weight, sums[columns + slot(j)] += by_bias;
  }
};

template <class T>
struct LayerNormGradients {
  const T *grad, *x;
  Optional<T> weight;
  T* grad_x;
  bool adds;
  int64_t rows, columns;
  double eps;

  template <class Team>
  __device__ void run(const Team& team, int64_t row, const ColumnSums& sums) const {
    const T *g = grad + row * columns, *v = x + row * columns;
    const Moments moments = moments_of(team, v, columns, eps);
    const auto normal = [=](T vj) { return (double(vj) - moments.mean) * moments.inverse; };
    double shift = 0, slope = 0;
    const auto take = [&](int64_t j, T gj, T vj, T wj) {
      const double inner = double(gj) * double(wj), h = normal(vj);
      shift += inner, slope += inner * h;
      if (sums.sums) sums.add(j, double(gj) * h, double(gj));
    };
    team.visit(columns, take, g, v, weight);
    shift = team.sum(shift) / double(columns), slope = team.sum(slope) / double(columns);
    const auto gradient = [&](int64_t, T gj, T vj, T wj, T old) {
      return T(moments.inverse * (double(gj) * double(wj) - shift - normal(vj) * slope)) + old;
    };
    T* to = grad_x + row * columns;
    team.map(columns, to, gradient, g, v, weight, old_of(adds, to));
  }
};

enum class Place { kNowhere, kShared, kScratch };  // of the sums

// A block a band of `height` rows; its teams take them in turn.
template <int threads, class T>
__global__ void __launch_bounds__(kRowThreads, 2)
    layer_norm_backward_kernel(LayerNormGradients<T> body, int64_t height, Place place,
                               double* partial) {
  constexpr int kTeams = kRowThreads / threads;
  const Team<threads> team{int(threadIdx.x) % threads};
  const int number = int(threadIdx.x) / threads;
  const int64_t both = 2 * body.columns, top = blockIdx.x * height;
  const int64_t bottom = top + height < body.rows ? top + height : body.rows;
  double* of_block = place == Place::kNowhere ? nullptr : partial + blockIdx.x * both;
  double* shared = place == Place::kShared ? dyn_shared<double>() : nullptr;
  const ColumnSums sums{shared ? shared + number * both : of_block, body.columns};
  // The same elements as in every row: a thread's sums are its own.
  if (sums.sums) team.visit(body.columns, [&](int64_t j) { sums.clear(j); });
  for (int64_t row = top + number; row < bottom; row += kTeams) body.run(team, row, sums);
  if (!shared) return;
  __syncthreads();  // all teams are through
  for (int64_t s = threadIdx.x; s < both; s += kRowThreads) {
    double total = 0;
    for (int other = 0; other < kTeams; ++other) total += shared[other * both + s];
    of_block[s] = total;
  }
}

template <class T>
struct SetGradients {
  T *weight, *bias;  // null: nobody asks
  bool adds_weight, adds_bias;
  int64_t columns;
  __device__ void operator()(int64_t s, double total) const {
    T* out = s < columns ? weight : bias;
    const int64_t slot = s < columns ? s : s - columns, fours = columns / kVector;
    const int64_t j = columns % kVector == 0 ? slot % fours * kVector + slot / fours : slot;
    if (!out) return;
    const bool adds = s < columns ? adds_weight : adds_bias;
    out[j] = adds ? out[j] + T(total) : T(total);
  }
};

template <int threads, class T>
void run(Stream& stream, const LayerNormGradients<T>& body, bool with_sums,
         const SetGradients<T>& set) {
  constexpr int64_t kTeams = kRowThreads / threads;
  // Without sums there is no reason to give a block more rows than teams.
  const int64_t turns = with_sums ? body.rows / (kMostBands * kTeams) + 1 : 1;
  const int64_t height = turns * kTeams;
  const int64_t bands = (body.rows + height - 1) / height, both = 2 * body.columns;
  const Place place = !with_sums                       ? Place::kNowhere
                      : body.columns <= kSharedColumns ? Place::kShared
                                                       : Place::kScratch;
  const size_t shared = place == Place::kShared ? size_t(kTeams * both) * sizeof(double) : 0;
  double* partial = with_sums ? stream.scratch<double>(bands * both) : nullptr;
  if (bands > 0)
    launch(stream, layer_norm_backward_kernel<threads, T>,
           {dim3(unsigned(bands)), kRowThreads, shared}, body, height, place, partial);
  if (with_sums) join_bands<Sum>(stream, bands, both, partial, set);
}

}  // namespace

static void layer_norm_backward(const LayerNormBackward& op, Stream& stream) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  if (columns == 0) return;
  visit(op.x.dtype, [&]<class T>() {
    const LayerNormGradients<T> body{op.grad.as<T>(),   op.x.as<T>(),   {op.weight.as<T>(), T(1)},
                                     op.grad_x.as<T>(), op.beta_x != 0, rows,
                                     columns,           op.eps};
    const SetGradients<T> set{op.grad_weight.as<T>(), op.grad_bias.as<T>(), op.beta_weight != 0,
                              op.beta_bias != 0, columns};
    const bool with_sums = op.grad_weight || op.grad_bias;
    if (columns <= kWarpColumns)
      run<kWarp>(stream, body, with_sums, set);
    else
      run<kRowThreads>(stream, body, with_sums, set);
  });
}
ORTHOKIT_WIDE_KERNEL(LayerNormBackward, layer_norm_backward);

}  // namespace orthokit::cuda
