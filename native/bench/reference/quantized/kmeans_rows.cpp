#include "ops/quantized/kmeans_rows.h"

#include <algorithm>
#include <numeric>

#include "bench/reference/reference.h"

namespace orthokit::bench {

enum class Tie { kFirst, kLast };

// Of all splits of the sorted row: squares[k][j] of the first j numbers in k + 1 clusters. What
// lies before j goes into the last cluster number by number (Welford 1962). Of splits that rounding
// does not tell apart, those whose clusters begin first or last.
static std::vector<double> means_of(std::vector<double> x, size_t clusters, Tie tie) {
  std::ranges::sort(x);
  const size_t n = x.size();
  std::vector<std::vector<double>> squares(clusters, std::vector<double>(n + 1, INFINITY));
  std::vector<std::vector<size_t>> begins(clusters, std::vector<size_t>(n + 1, 0));
  std::vector<double> last(n);  // the squares of the numbers from i to j
  const double mean_of_all = std::accumulate(x.begin(), x.end(), 0.0) / double(n);
  double rounding = 0;
  for (double v : x) rounding += double(n) * 0x1p-50 * (v - mean_of_all) * (v - mean_of_all);
  for (size_t j = 1; j <= n; ++j) {
    long double mean = 0, square = 0;
    for (size_t i = j; i-- > 0;) {
      const long double off = x[i] - mean;
      mean += off / (long double)(j - i);
      square += off * (x[i] - mean);
      last[i] = double(square);
    }
    squares[0][j] = last[0];
    for (size_t k = 1; k < std::min(clusters, j); ++k) {
      const auto all = [&](size_t i) { return squares[k - 1][i] + last[i]; };
      double& least = squares[k][j];
      for (size_t i = k; i < j; ++i) least = std::min(least, all(i));
      for (size_t i = k; i < j; ++i) {
        if (all(i) > least + rounding) continue;
        begins[k][j] = i;
        if (tie == Tie::kFirst) break;
      }
    }
  }
  std::vector<double> means(clusters);
  for (size_t k = clusters, end = n; k-- > 0; end = begins[k][end]) {
    const size_t begin = begins[k][end];
    means[k] = std::accumulate(x.begin() + begin, x.begin() + end, 0.0) / double(end - begin);
  }
  return means;
}

static void set_codebooks(const KmeansRows& op, Tie tie, double* out) {
  const auto n = size_t(row_length(op.x)), k = size_t(row_length(op.codebooks));
  for (size_t i = 0; i < size_t(row_count(op.x)); ++i, out += k) {
    const double* x = values(op.x) + i * n;
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
    std::ranges::copy(means_of({x, x + n}, k, tie), out);
  }
}

static void kmeans_rows(const KmeansRows& op) {
  set_codebooks(op, Tie::kFirst, values(op.codebooks));
}
ORTHOKIT_REFERENCE(KmeansRows, kmeans_rows, 4);

// Means are sums of deviations from the row's mean, which round in f64: as f32 would of these.
// Means of splits that are as good lie between those of the first and of the last one.
static std::vector<double> terms_of(const KmeansRows& op, std::string_view) {
  const auto n = size_t(row_length(op.x)), k = size_t(row_length(op.codebooks));
  std::vector<double> terms;
  for (const double* x = values(op.x); terms.size() < size_t(op.codebooks.size()); x += n)
    terms.insert(terms.end(), k,
                 double(n) * 0x1p-29 * std::abs(*std::max_element(x, x + n, [](double a, double b) {
                   return std::abs(a) < std::abs(b);
                 })));
  std::vector<double> last(terms.size());
  set_codebooks(op, Tie::kLast, last.data());
  for (size_t j = 0; j < terms.size(); ++j)
    if (const double apart = std::abs(last[j] - values(op.codebooks)[j]); apart > 0)
      terms[j] += apart * 0x1p22;
  return terms;
}
ORTHOKIT_SOME_TERMS(KmeansRows, terms_of);

}  // namespace orthokit::bench
