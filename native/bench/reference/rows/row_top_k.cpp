#include "ops/rows/row_top_k.h"

#include <algorithm>
#include <numeric>

#include "bench/reference/reference.h"
#include "math/philox.h"

namespace orthokit::bench {

static double noise_of(const RowTopK& op, int64_t element) {
  const auto g = uint64_t(op.offset + element);
  const auto block = math::philox(uint64_t(op.seed), uint64_t(op.stream), g / 4);
  return -std::log(-std::log((double(block.words[g % 4]) + 0.5) / 0x1p32));
}

static void row_top_k(const RowTopK& op) {
  const int64_t columns = row_length(op.x), k = op.count();
  for (int64_t i = 0; i < row_count(op.x); ++i) {
    const double* x = values(op.x) + i * columns;
    std::vector<double> score(x, x + columns);
    for (double& s : score) s = std::isnan(s) ? HUGE_VAL : s;
    std::vector<int64_t> order(size_t(columns), 0);
    std::iota(order.begin(), order.end(), 0);
    const auto sort = [&] {
      std::ranges::stable_sort(
          order, [&](int64_t a, int64_t b) { return score[size_t(a)] > score[size_t(b)]; });
    };
    if (op.draws()) {
      sort();
      order.resize(size_t(op.candidates()));
      for (int64_t j : order)
        score[size_t(j)] = score[size_t(j)] / op.temperature + noise_of(op, i * columns + j);
      std::ranges::sort(order);
    }
    sort();
    for (int64_t t = 0; t < k; ++t) {
      values(op.index)[i * k + t] = double(order[size_t(t)]);
      if (op.values) values(op.values)[i * k + t] = x[order[size_t(t)]];
    }
  }
}
ORTHOKIT_REFERENCE(RowTopK, row_top_k, kExact);

}  // namespace orthokit::bench
