#include "ops/transport/softmin.h"

#include <algorithm>

#include "cpu/kernels/transport/shared/point_pairs.h"
#include "cpu/kernels/transport/shared/transport.h"
#include "cpu/softmax.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

static constexpr int64_t kManyRows = 128;

template <class T>
struct StoredCosts {
  // Of a tile. Neighbours in a column stand in the same cache line.
  static constexpr int64_t kRows = 8, kColumns = 512, kFewRows = 1;
  static constexpr bool kHasSlopes = false;
  struct Rows {
    int64_t first, count;
  };
  const T* cost;
  int64_t stride, step;  // from choice to choice, from one to choose from to the next
  void fill(const Rows& rows, int64_t j, int64_t columns, double* tile) const {
    const T* from = cost + rows.first * stride + j * step;
    if (step == 1)
      for (int64_t r = 0; r < rows.count; ++r)
        for (int64_t k = 0; k < columns; ++k) tile[r * kColumns + k] = double(from[r * stride + k]);
    else
      for (int64_t k = 0; k < columns; ++k)
        for (int64_t r = 0; r < rows.count; ++r)
          tile[r * kColumns + k] = double(from[r * stride + k * step]);
  }
};
template <class T>
struct PointCosts : PointPairs<T> {
  static constexpr int64_t kFewRows = kPairRows;
  static constexpr bool kHasSlopes = true;
};

// Sums over the tiles so far, relative to the largest exponent so far.
struct Choice {
  double most = -kInfinite, sum = 0, cost = 0;
};

struct Means {
  double *averages, *gradients;
  int64_t width, dimension;
  void multiply(double by) const {
    for (int64_t k = 0; k < width; ++k) averages[k] *= by;
    for (int64_t k = 0; k < dimension; ++k) gradients[k] *= by;
  }
};

// Of one choice and `count` costs in `tile`: their weights go to `exps`.
static void choose(const Softmin& op, const double* w, int64_t first, int64_t count,
                   const double* tile, double* exps, Choice& choice, const Means& means) {
  const double inverse = 1 / op.eps;
  for (int64_t j = 0; j < count; ++j) exps[j] = w[first + j] - tile[j] * inverse;
  const double most = std::max(choice.most, max_of(exps, count));
  // A NaN is never the largest, and must show all the same.
  if (most == -kInfinite && std::none_of(exps, exps + count, [](double x) { return x != x; }))
    return void(std::fill_n(exps, count, 0.0));
  const double scale = exp_of_negative(choice.most - most);
  const Eight by = Eight{} - most;
  for_eights(count, [&](int64_t j, auto some) {
    Eight x;
    load_some(exps + j, some, -kInfinite, x);
    x += by;
    exp_of_eight(x, x);
    store_some(x, some, exps + j);
  });
  choice.most = most;
  choice.sum = choice.sum * scale + sum_of(count, [&](int64_t j) { return exps[j]; });
  if (op.mean_costs)
    choice.cost = choice.cost * scale +
                  sum_of(count, [&](int64_t j) { return exps[j] == 0 ? 0 : exps[j] * tile[j]; });
  means.multiply(scale);
  if (means.width == 1)  // a vector: its sum in lanes
    means.averages[0] += sum_of(count, [&, values = op.values.as<double>() + first](int64_t j) {
      return exps[j] == 0 ? 0 : exps[j] * values[j];
    });
  for (int64_t j = 0; means.width > 1 && j < count; ++j) {
    if (exps[j] == 0) continue;
    const double* values = op.values.as<double>() + (first + j) * means.width;
    for (int64_t k = 0; k < means.width; ++k) means.averages[k] += exps[j] * values[k];
  }
}

template <class Costs>
static void run(const Softmin& op, Stream& stream, const Costs& costs) {
  const int64_t n = op.log_sums.size(), m = op.potential.size();
  const int64_t height = n >= kManyRows ? Costs::kRows : Costs::kFewRows;
  const int64_t width = op.values ? op.values.shape[1] : 0;
  const int64_t dimension = op.gradients ? op.gradients.shape[1] : 0;
  const double* w = in_units(stream, op.potential, 1 / op.eps);
  const auto means_of = [&](int64_t i) {
    return Means{width > 0 ? op.averages.as<double>() + i * width : nullptr,
                 dimension > 0 ? op.gradients.as<double>() + i * dimension : nullptr, width,
                 dimension};
  };
  stream.parallel((n + height - 1) / height, [&](int64_t group) {
    const int64_t top = group * height;
    typename Costs::Rows rows{top, std::min(height, n - top)};
    alignas(64) double tile[Costs::kRows * Costs::kColumns];
    Choice choices[Costs::kRows];
    for (int64_t r = 0; r < rows.count; ++r) {
      const Means means = means_of(top + r);
      std::fill_n(means.averages, width, 0.0), std::fill_n(means.gradients, dimension, 0.0);
    }
    for (int64_t j = 0; j < m; j += Costs::kColumns) {
      const int64_t count = std::min(Costs::kColumns, m - j);
      costs.fill(rows, j, count, tile);
      for (int64_t r = 0; r < rows.count; ++r) {
        double exps[Costs::kColumns], *row = tile + r * Costs::kColumns;
        choose(op, w, j, count, row, exps, choices[r], means_of(top + r));
        if constexpr (Costs::kHasSlopes)
          if (dimension > 0) costs.weigh_slopes(exps, count, row);
      }
      if constexpr (Costs::kHasSlopes)
        if (dimension > 0) costs.add_slopes(rows, j, count, tile, means_of(top).gradients);
    }
    for (int64_t r = 0; r < rows.count; ++r) {
      const Choice& choice = choices[r];
      const bool any = choice.sum != 0;
      const double log_sum = any ? choice.most + std::log(choice.sum) : -kInfinite;
      double share = any ? 1 / choice.sum : 0;
      if (any && op.own_potential)
        share *= exp_in_range(op.own_potential.as<double>()[top + r] / op.eps + log_sum);
      op.log_sums.as<double>()[top + r] = log_sum;
      if (op.mean_costs) op.mean_costs.as<double>()[top + r] = choice.cost * share;
      means_of(top + r).multiply(share);
    }
  });
}

void softmin(const Softmin& op, Stream& stream) {
  visit((op.cost ? op.cost : op.x).dtype, [&]<class T>() {
    if (op.cost) {
      const int64_t columns = op.cost.shape[1];
      const bool across = op.of == CostSide::kRows;
      run(op, stream, StoredCosts<T>{op.cost.as<T>(), across ? columns : 1, across ? 1 : columns});
    } else {
      run(op, stream, PointCosts<T>{{stream, op.x, op.y, op.metric}});
    }
  });
}
ORTHOKIT_KERNEL(Softmin, softmin);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
