#include "ops/quantized/kmeans_rows.h"

#include <algorithm>

#include "bench/reference/reference.h"

namespace orthokit::bench {

// Of all splits of the sorted row: squares[k][j] of the first j numbers in k clusters.
static std::vector<double> means_of(std::vector<double> x, size_t clusters) {
  std::ranges::sort(x);
  const size_t n = x.size();
  const auto mean = [&](size_t begin, size_t end) {
    double sum = 0;
    for (size_t j = begin; j < end; ++j) sum += x[j];
    return sum / double(end - begin);
  };
  const auto spread = [&](size_t begin, size_t end) {
    double sum = 0;
    for (size_t j = begin; j < end; ++j) sum += std::pow(x[j] - mean(begin, end), 2);
    return sum;
  };
  std::vector<std::vector<double>> one(n + 1, std::vector<double>(n + 1, 0));
  for (size_t i = 0; i < n; ++i)
    for (size_t j = i + 1; j <= n; ++j) one[i][j] = spread(i, j);
  std::vector<std::vector<double>> squares{one[0]};
  std::vector<std::vector<size_t>> begins{std::vector<size_t>(n + 1, 0)};
  for (size_t k = 1; k < clusters; ++k) {
    squares.emplace_back(n + 1, INFINITY), begins.emplace_back(n + 1, 0);
    for (size_t j = k + 1; j <= n; ++j)
      for (size_t i = k; i < j; ++i)
        if (const double all = squares[k - 1][i] + one[i][j]; all < squares[k][j])
          squares[k][j] = all, begins[k][j] = i;
  }
  std::vector<double> means(clusters);
  for (size_t k = clusters, end = n; k-- > 0; end = begins[k][end])
    means[k] = mean(begins[k][end], end);
  return means;
}

static void kmeans_rows(const KmeansRows& op) {
  const auto n = size_t(row_length(op.x)), k = size_t(row_length(op.codebooks));
  for (size_t i = 0; i < size_t(row_count(op.x)); ++i) {
    const double* x = values(op.x) + i * n;
    double* out = values(op.codebooks) + i * k;
    if (!std::all_of(x, x + n, [](double v) { return std::isfinite(v); })) {
      std::fill_n(out, k, NAN);
      continue;
    }
    std::vector<double> different(x, x + n);
    std::ranges::sort(different);
    const auto rest = std::ranges::unique(different);
    different.erase(rest.begin(), rest.end());
    if (different.size() <= k) {
      for (size_t j = 0; j < k; ++j) out[j] = different[std::min(j, different.size() - 1)];
      continue;
    }
    std::ranges::copy(means_of({x, x + n}, k), out);
  }
}
ORTHOKIT_REFERENCE(KmeansRows, kmeans_rows, 4);

}  // namespace orthokit::bench
