#include "cuda/distances.cuh"
#include "ops/softmin.h"

namespace orthokit::cuda {

// So many means in registers at once, of which long rows have few; for each more of them the
// exponentials are computed again.
template <class Team>
inline constexpr int kMeansAtOnce = Team::size > kRowThreads ? 4 : 8;

template <class Costs>
struct SoftminRow {
  static constexpr int kBlocks = 2;  // arithmetic hides what memory takes
  Costs costs;
  const double *w, *values, *own;
  double *log_sums, *mean_costs, *averages, *gradients;
  int64_t columns, width, dimension;
  double inverse;

  template <class Team>
  __device__ void operator()(const Team& team, int64_t i) const {
    double most = -INFINITY, sum = 0, linear = 0;
    for (int64_t j = team.rank; j < columns; j += Team::size)
      most = fmax(most, w[j] - costs.at(i, j) * inverse);
    most = team.template reduce<Max>(most);
    if (most > -INFINITY)
      for (int64_t j = team.rank; j < columns; j += Team::size) {
        const double cost = costs.at(i, j), weight = exp_of_negative(w[j] - cost * inverse - most);
        sum += weight, linear += weight == 0 ? 0 : weight * cost;
      }
    sum = team.sum(sum), linear = team.sum(linear);
    const double log_sum = sum != 0 ? most + log(sum) : -INFINITY;
    double share = sum != 0 ? 1 / sum : 0;
    if (sum != 0 && own) share *= exp_in_range(own[i] * inverse + log_sum);
    if (team.rank == 0) {
      log_sums[i] = log_sum;
      if (mean_costs) mean_costs[i] = linear * share;
    }
    means(team, i, most, share, width, averages,
          [&](int64_t j, int64_t k, double) { return values[j * width + k]; });
    if constexpr (Costs::kHasSlopes)
      means(team, i, most, share, dimension, gradients,
            [&](int64_t j, int64_t k, double cost) { return costs.slope(i, j, k, cost); });
  }

  // out[i · count + k] = share Σⱼ weightⱼ of(j, k, cost).
  template <class Team, class Of>
  __device__ void means(const Team& team, int64_t i, double most, double share, int64_t count,
                        double* out, Of&& of) const {
    constexpr int kMeans = kMeansAtOnce<Team>;
    for (int64_t first = 0; first < count; first += kMeans) {
      double sums[kMeans] = {};
      for (int64_t j = team.rank; share > 0 && j < columns; j += Team::size) {
        const double cost = costs.at(i, j), weight = exp_of_negative(w[j] - cost * inverse - most);
        if (weight == 0) continue;
#pragma unroll
        for (int k = 0; k < kMeans; ++k)
          if (first + k < count) sums[k] += weight * of(j, first + k, cost);
      }
#pragma unroll
      for (int k = 0; k < kMeans; ++k) {
        const double sum = team.sum(sums[k]);
        if (team.rank == 0 && first + k < count) out[i * count + first + k] = sum * share;
      }
    }
  }
};

template <class Costs>
static void run(const Softmin& op, Stream& stream, const Costs& costs) {
  const auto data = [](const View& v) { return v ? v.as<double>() : nullptr; };
  const double inverse = 1 / op.eps;
  const SoftminRow<Costs> row{costs,
                              in_units(stream, op.potential, inverse),
                              data(op.values),
                              data(op.own_potential),
                              op.log_sums.as<double>(),
                              data(op.mean_costs),
                              data(op.averages),
                              data(op.gradients),
                              op.potential.size(),
                              op.values ? op.values.shape[1] : 0,
                              op.gradients ? op.gradients.shape[1] : 0,
                              inverse};
  const int64_t rows = op.log_sums.size(), columns = op.potential.size();
  if constexpr (!Costs::kHasSlopes) {
    for_rows(stream, rows, columns, row);
  } else if (rows > 0) {  // no row lies in memory that would stay in cache for a larger block
    if (columns <= kShortRow)
      run_rows<kWarp>(stream, rows, row);
    else
      run_rows<kRowThreads>(stream, rows, row);
  }
}

static void softmin(const Softmin& op, Stream& stream) {
  visit((op.cost ? op.cost : op.x).dtype, [&]<class T>() {
    if (op.cost) {
      const int64_t columns = op.cost.shape[1];
      const bool across = op.of == CostSide::kRows;
      run(op, stream, StoredCosts<T>{op.cost.as<T>(), across ? columns : 1, across ? 1 : columns});
    } else {
      run(op, stream,
          PointCosts<T>{op.x.as<T>(), coordinates_of<T>(stream, op.y), op.y.shape[0], op.x.shape[1],
                        op.metric});
    }
  });
}
ORTHOKIT_KERNEL(Softmin, softmin);

}  // namespace orthokit::cuda
