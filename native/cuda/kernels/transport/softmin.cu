#include "cuda/columns.cuh"
#include "cuda/kernels/transport/shared/distances.cuh"
#include "cuda/kernels/transport/shared/pair_tiles.cuh"
#include "ops/transport/softmin.h"

namespace orthokit::cuda {

inline constexpr int kSoftminThreads = 256;
// So many means in registers at once; for each more of them the exponentials are computed again.
inline constexpr int kMeansAtOnce = 8;

// Threads that share kAtOnce neighbouring choices. All of them call each function.
template <int threads>
struct ChoiceTeam {
  static constexpr int size = threads, kAtOnce = kPointsAtOnce;
  static constexpr int kTeams = kSoftminThreads / threads;
  static constexpr int kChoices = kTeams * kAtOnce;  // of a block
  __device__ int rank() const { return int(threadIdx.x) % threads; }
  __device__ int64_t choice() const {
    return int64_t(blockIdx.x) * kChoices + int(threadIdx.x) / threads * kAtOnce;
  }
  template <class R>
  __device__ __forceinline__ double reduce(double x) const {
    if constexpr (threads == kWarp)
      return warp_reduce<R>(x);
    else
      return block_reduce<R>(x);
  }
};

// The team for choices that are columns: neighbouring threads have neighbouring ones, and the rows
// are dealt to the lanes of a block.
struct ColumnTeam {
  static constexpr int kChoices = 16, kAtOnce = 1, size = kSoftminThreads / kChoices;
  __device__ int rank() const { return int(threadIdx.x) / kChoices; }
  __device__ int64_t choice() const {
    return int64_t(blockIdx.x) * kChoices + int(threadIdx.x) % kChoices;
  }
  template <class R>
  __device__ __forceinline__ double reduce(double x) const {
    __shared__ double of_lane[size][kChoices];
    const int own = int(threadIdx.x) % kChoices;
    __syncthreads();  // an earlier call may still read them
    of_lane[rank()][own] = x;
    __syncthreads();
    x = of_lane[0][own];
    for (int lane = 1; lane < size; ++lane) x = R::combine(x, of_lane[lane][own]);
    return x;
  }
};

template <class T>
struct RowCosts {
  static constexpr bool kHasSlopes = false;
  const T* cost;
  int64_t rows, columns;
  __device__ __forceinline__ double at(int64_t i, int64_t j) const {
    return double(cost[(i < rows ? i : rows - 1) * columns + j]);
  }
  template <int N>
  __device__ __forceinline__ void several(int64_t i, int64_t j, double (&costs)[N]) const {
#pragma unroll
    for (int r = 0; r < N; ++r) costs[r] = at(i + r, j);
  }
};
template <class T>
struct ColumnCosts {
  static constexpr bool kHasSlopes = false;
  const T* cost;
  int64_t columns;
  __device__ __forceinline__ double at(int64_t i, int64_t j) const {
    return double(cost[j * columns + i]);
  }
  __device__ __forceinline__ void several(int64_t i, int64_t j, double (&costs)[1]) const {
    costs[0] = at(i, j);
  }
};
struct DistanceCosts : PointCosts {
  static constexpr bool kHasSlopes = true;
};

// Of one choice: Σ exp(x) and Σ exp(x) cost, the largest x apart, with one exponential a term.
struct SoftminSums {
  double most = -INFINITY, sum = 0, linear = 0;
  __device__ __forceinline__ void add(double x, double cost) {
    if (x == -INFINITY) return;
    const double least = exp_of_negative(-fabs(x - most));
    if (x > most)
      sum = fused(sum, least, 1.0), linear = fused(linear, least, cost), most = x;
    else
      sum += least, linear = fused(least, cost, linear);
  }
  __device__ __forceinline__ void join(const SoftminSums& other) {
    const double larger = Max::combine(most, other.most);
    if (larger == -INFINITY) return void(sum += other.sum);  // 0 or NaN
    const double own = exp_of_negative(most - larger),
                 of_other = exp_of_negative(other.most - larger);
    sum = sum * own + other.sum * of_other, linear = linear * own + other.linear * of_other;
    most = larger;
  }
};

template <class Costs>
struct SoftminBody {
  Costs costs;
  const double *w, *values, *own;
  double *log_sums, *mean_costs, *averages, *gradients;
  int64_t choices, count, width, dimension;
  double inverse;

  // Choices from team.choice() on.
  template <class Team>
  __device__ __forceinline__ void operator()(const Team& team) const {
    constexpr int kAtOnce = Team::kAtOnce;
    const int64_t i = team.choice();
    SoftminSums sums[kAtOnce];
    for (int64_t j = team.rank(); i < choices && j < count; j += Team::size) {
      double costs_of[kAtOnce];
      costs.several(i, j, costs_of);
      const double potential = w[j];
#pragma unroll
      for (int r = 0; r < kAtOnce; ++r) sums[r].add(potential - costs_of[r] * inverse, costs_of[r]);
    }
    double most[kAtOnce], share[kAtOnce];
#pragma unroll
    for (int r = 0; r < kAtOnce; ++r) join(team, i + r, sums[r], most[r], share[r]);
#pragma unroll 1
    for (int r = 0; r < kAtOnce && (averages || gradients); ++r) {
      double most_of = most[0], share_of = share[0];  // registers have no index
#pragma unroll
      for (int s = 1; s < kAtOnce; ++s)
        if (s == r) most_of = most[s], share_of = share[s];
      means(team, i + r, most_of, share_of, width, averages,
            [&](int64_t j, int64_t k, double) { return values[j * width + k]; });
      if constexpr (Costs::kHasSlopes)
        means(team, i + r, most_of, share_of, dimension, gradients,
              [&](int64_t j, int64_t k, double cost) { return costs.slope(i + r, j, k, cost); });
    }
  }

  // Joins the sums that all threads have of choice i: its logarithm and mean cost are stored.
  template <class Team>
  __device__ __forceinline__ void join(const Team& team, int64_t i, const SoftminSums& mine,
                                       double& most, double& share) const {
    most = team.template reduce<Max>(mine.most);
    const double scale = mine.most == -INFINITY ? 0 : exp_of_negative(mine.most - most);
    const double sum = team.template reduce<Sum>(mine.sum * scale),
                 linear = team.template reduce<Sum>(mine.linear * scale);
    const double log_sum = sum != 0 ? most + log(sum) : -INFINITY;
    const bool exists = i < choices;
    share = exists && sum != 0 ? 1 / sum : 0;
    if (share != 0 && own) share *= exp_in_range(own[i] * inverse + log_sum);
    if (team.rank() != 0 || !exists) return;
    log_sums[i] = log_sum;
    if (mean_costs) mean_costs[i] = linear * share;
  }

  // out[i · size + k] = share Σⱼ weightⱼ of(j, k, cost).
  template <class Team, class Of>
  __device__ __forceinline__ void means(const Team& team, int64_t i, double most, double share,
                                        int64_t size, double* out, Of&& of) const {
    for (int64_t first = 0; first < size; first += kMeansAtOnce) {
      double sums[kMeansAtOnce] = {};
      for (int64_t j = team.rank(); share > 0 && j < count; j += Team::size) {
        const double cost = costs.at(i, j), weight = exp_of_negative(w[j] - cost * inverse - most);
        if (weight == 0) continue;
#pragma unroll
        for (int k = 0; k < kMeansAtOnce; ++k)
          if (first + k < size) sums[k] += weight * of(j, first + k, cost);
      }
#pragma unroll
      for (int k = 0; k < kMeansAtOnce; ++k) {
        const double sum = team.template reduce<Sum>(sums[k]);
        if (team.rank() == 0 && first + k < size && i < choices)
          out[i * size + first + k] = sum * share;
      }
    }
  }
};

template <class Team, class Costs>
__global__ void __launch_bounds__(kSoftminThreads, 2) softmin_kernel(SoftminBody<Costs> body) {
  body(Team());
}

template <class Team, class Costs>
static void run(Stream& stream, const SoftminBody<Costs>& body) {
  if (body.choices == 0) return;
  const int64_t blocks = (body.choices + Team::kChoices - 1) / Team::kChoices;
  launch(stream, softmin_kernel<Team, Costs>, {dim3(unsigned(blocks)), kSoftminThreads}, body);
}
// The choices from a row each.
template <class Costs>
static void run_rows_of(Stream& stream, const SoftminBody<Costs>& body) {
  if (body.count <= kShortRow)
    run<ChoiceTeam<kWarp>>(stream, body);
  else
    run<ChoiceTeam<kSoftminThreads>>(stream, body);
}

// Choices by columns in parts, each of whole tiles.
struct SoftminParts {
  int64_t count, columns;  // of a part
  SoftminParts(int64_t choices, int64_t all_columns) {
    constexpr int64_t kEnough = 512;  // blocks: they fill every device
    const int64_t tiles = parts_of(all_columns, kSmallTile);
    const int64_t wanted =
        std::clamp<int64_t>(kEnough / std::max<int64_t>(1, parts_of(choices, kSmallTile)), 1,
                            std::max<int64_t>(1, tiles));
    columns = parts_of(tiles, wanted) * kSmallTile;
    count = columns == 0 ? 0 : parts_of(all_columns, columns);
  }
};

// parts[i · count + p] of choice i and part p: a block a tile of choices and a part.
template <class T>
__global__ void __launch_bounds__(kTileThreads, 2)
    softmin_tiles_kernel(PairTiles<T> tiles, SoftminParts parts, const double* w, double inverse,
                         SoftminSums* out) {
  using Tiles = PairTiles<T>;
  const int64_t row = blockIdx.x / parts.count * kSmallTile, part = blockIdx.x % parts.count;
  const int64_t first = part * parts.columns, rest = tiles.columns - first;
  const int64_t last = first + (rest < parts.columns ? rest : parts.columns);
  SoftminSums sums[Tiles::kSlabs];
  for (int64_t column = first; column < last; column += kSmallTile)
    tiles.run(row, column, [&](int slab, int64_t, int64_t j, double cost) {
      sums[slab].add(w[j] - cost * inverse, cost);
    });
#pragma unroll
  for (int slab = 0; slab < Tiles::kSlabs; ++slab) {
    SoftminSums mine = sums[slab];
#pragma unroll
    for (int lanes = Tiles::kLanes / 2; lanes > 0; lanes /= 2)
      mine.join({__shfl_xor_sync(kFullWarp, mine.most, lanes),
                 __shfl_xor_sync(kFullWarp, mine.sum, lanes),
                 __shfl_xor_sync(kFullWarp, mine.linear, lanes)});
    const int64_t i = row + slab * Tiles::Rows::kRows + int(threadIdx.x) / Tiles::kLanes;
    if (i < tiles.rows && int(threadIdx.x) % Tiles::kLanes == 0) out[i * parts.count + part] = mine;
  }
}

// Joins the parts of a choice.
struct JoinParts {
  const SoftminSums* parts;
  int64_t count;
  const double* own;
  double *log_sums, *mean_costs, inverse;
  __device__ void operator()(int64_t i) const {
    SoftminSums all;
    for (int64_t p = 0; p < count; ++p) all.join(parts[i * count + p]);
    const double log_sum = all.sum != 0 ? all.most + log(all.sum) : -INFINITY;
    double share = all.sum != 0 ? 1 / all.sum : 0;
    if (share != 0 && own) share *= exp_in_range(own[i] * inverse + log_sum);
    log_sums[i] = log_sum;
    if (mean_costs) mean_costs[i] = all.linear * share;
  }
};

template <class T>
static void run_tiles(const Softmin& op, Stream& stream) {
  const int64_t choices = op.log_sums.size();
  const double inverse = 1 / op.eps;
  const auto tiles = pair_tiles_of<T>(stream, op.x, op.y);
  const SoftminParts parts(choices, tiles.columns);
  auto* sums = stream.scratch<SoftminSums>(choices * parts.count);
  const int64_t blocks = parts_of(choices, kSmallTile) * parts.count;
  if (blocks > 0)
    launch(stream, softmin_tiles_kernel<T>, {dim3(unsigned(blocks)), kTileThreads}, tiles, parts,
           in_units(stream, op.potential, inverse), inverse, sums);
  for_items(stream, choices,
            JoinParts{sums, parts.count, op.own_potential ? op.own_potential.as<double>() : nullptr,
                      op.log_sums.as<double>(),
                      op.mean_costs ? op.mean_costs.as<double>() : nullptr, inverse});
}

template <class Costs>
static SoftminBody<Costs> body_of(const Softmin& op, Stream& stream, const Costs& costs) {
  const auto data = [](const View& v) { return v ? v.as<double>() : nullptr; };
  const double inverse = 1 / op.eps;
  return {costs,
          in_units(stream, op.potential, inverse),
          data(op.values),
          data(op.own_potential),
          op.log_sums.as<double>(),
          data(op.mean_costs),
          data(op.averages),
          data(op.gradients),
          op.log_sums.size(),
          op.potential.size(),
          op.values ? op.values.shape[1] : 0,
          op.gradients ? op.gradients.shape[1] : 0,
          inverse};
}

static void softmin(const Softmin& op, Stream& stream) {
  visit((op.cost ? op.cost : op.x).dtype, [&]<class T>() {
    if (!op.cost) {
      // Means compute the costs again, by differences.
      const bool is_sum = !op.averages && !op.gradients;
      if (is_sum && multiplies_coordinates(op.metric, op.x.shape[1]))
        return run_tiles<T>(op, stream);
      const DistanceCosts costs{{coordinates_of<T>(stream, op.x), coordinates_of<T>(stream, op.y),
                                 op.x.shape[1], op.metric}};
      run_rows_of(stream, body_of(op, stream, costs));
      return;
    }
    const int64_t rows = op.cost.shape[0], columns = op.cost.shape[1];
    if (op.of == CostSide::kRows)
      run_rows_of(stream, body_of(op, stream, RowCosts<T>{op.cost.as<T>(), rows, columns}));
    else
      run<ColumnTeam>(stream, body_of(op, stream, ColumnCosts<T>{op.cost.as<T>(), columns}));
  });
}
ORTHOKIT_KERNEL(Softmin, softmin);

}  // namespace orthokit::cuda
