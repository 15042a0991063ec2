#include "ops/transport/cost_range.h"

#include "bench/reference/transport/shared/transport.h"

namespace orthokit::bench {

static void cost_range(const CostRange& op) {
  const int64_t n = op.cost.shape[0], m = op.cost.shape[1];
  double least = HUGE_VAL, most = -HUGE_VAL, bad = 0, forbidden = 0;
  std::vector<int> row(size_t(n), 0), column(size_t(m), 0);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < m; ++j) {
      const double x = values(op.cost)[i * m + j];
      if (x == HUGE_VAL) {
        ++forbidden;
      } else if (!std::isfinite(x)) {
        ++bad;
      } else {
        least = std::min(least, x), most = std::max(most, x);
        row[size_t(i)] = std::max(row[size_t(i)], values(op.column_mass)[j] > 0 ? 2 : 1);
        column[size_t(j)] = std::max(column[size_t(j)], values(op.row_mass)[i] > 0 ? 2 : 1);
      }
    }
  const auto without = [](const std::vector<int>& reach, const View& mass, int least_reach) {
    double count = 0;
    for (size_t k = 0; k < reach.size(); ++k)
      count += values(mass)[k] > 0 && reach[k] < least_reach;
    return count;
  };
  const double out[] = {least <= most ? least : 0,
                        least <= most ? most : 0,
                        bad,
                        forbidden,
                        without(row, op.row_mass, 1),
                        without(column, op.column_mass, 1),
                        without(row, op.row_mass, 2),
                        without(column, op.column_mass, 2)};
  std::copy_n(out, 8, values(op.statistics));
}
ORTHOKIT_REFERENCE(CostRange, cost_range, kExact);

}  // namespace orthokit::bench
