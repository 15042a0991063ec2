#include "ops/search/nearest_rows.h"

#include <algorithm>
#include <numeric>

#include "bench/reference/reference.h"

namespace orthokit::bench {

static double row_element(const NearestRows& op, int64_t row, int64_t j) {
  const int64_t at = row * op.rows.shape[1] + j;
  if (!op.ranges) return values(op.rows)[at];
  const auto decoded = [&](const View& codes, const View& ranges) {
    const double low = values(ranges)[2 * row], high = values(ranges)[2 * row + 1];
    return low + values(codes)[at] * ((high - low) / 255);
  };
  const double x = decoded(op.rows, op.ranges);
  return op.residuals ? x + decoded(op.residuals, op.residual_ranges) : x;
}

// The larger, the nearer.
static double nearness(const NearestRows& op, const double* query, int64_t row) {
  double product = 0, squares = 0, own = 0, distance = 0;
  for (int64_t j = 0; j < op.rows.shape[1]; ++j) {
    const double q = query[j], x = row_element(op, row, j);
    product += q * x, squares += x * x, own += q * q, distance += (q - x) * (q - x);
  }
  if (op.metric == Nearness::kL2) return -distance;
  return op.metric == Nearness::kDot ? product : product / (std::sqrt(squares) * std::sqrt(own));
}

static void nearest_rows(const NearestRows& op) {
  const int64_t count = op.rows.shape[0], columns = op.rows.shape[1], k = op.count();
  for (int64_t i = 0; i < op.queries.shape[0]; ++i) {
    std::vector<double> score(size_t(count), 0);
    for (int64_t row = 0; row < count; ++row) {
      const double own = nearness(op, values(op.queries) + i * columns, row);
      score[size_t(row)] = std::isnan(own) ? -HUGE_VAL : own;
    }
    std::vector<int64_t> order(size_t(count), 0);
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(
        order, [&](int64_t a, int64_t b) { return score[size_t(a)] > score[size_t(b)]; });
    for (int64_t t = 0; t < k; ++t) {
      const double own = score[size_t(order[size_t(t)])];
      values(op.index)[i * k + t] = double(order[size_t(t)]);
      values(op.scores)[i * k + t] = op.metric == Nearness::kL2 ? -own : own;
    }
  }
}
ORTHOKIT_REFERENCE(NearestRows, nearest_rows, growth_of_sum(op.rows.shape[1]));

}  // namespace orthokit::bench
