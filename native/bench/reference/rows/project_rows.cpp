#include "ops/rows/project_rows.h"

#include <algorithm>
#include <limits>

#include "bench/reference/reference.h"

namespace orthokit::bench {

// Duchi and others 2008: the threshold that the sorted row names.
static long double threshold(std::vector<double> x, double total) {
  std::ranges::sort(x, std::greater());
  long double sum = 0, tau = 0;
  for (size_t k = 0; k < x.size(); ++k) {
    sum += x[k];
    const long double next = (sum - total) / (long double)(k + 1);
    if (x[k] - next > 0) tau = next;
  }
  return tau;
}

static void project_rows(const ProjectRows& op) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  for (int64_t i = 0; i < rows; ++i) {
    const double *x = values(op.x) + i * columns, *a = values(op.normal);
    double* out = values(op.out) + i * columns;
    long double sum = 0, product = 0, square = 0;
    std::vector<double> sizes;
    for (int64_t j = 0; j < columns; ++j) {
      sizes.push_back(std::abs(x[j])), sum += std::abs(x[j]);
      if (a) product += (long double)(a[j]) * x[j], square += (long double)(a[j]) * a[j];
    }
    const bool is_simplex = op.set == RowSet::kSimplex, is_l1 = op.set == RowSet::kL1Ball;
    const long double tau = is_simplex ? threshold({x, x + columns}, op.size)
                            : is_l1    ? threshold(sizes, op.size)
                                       : 0;
    const double norm = norm_of(x, columns);
    if (op.set == RowSet::kHalfspace) sizes.insert(sizes.end(), a, a + columns);
    const bool is_finite = std::ranges::all_of(sizes, [](double x) { return std::isfinite(x); });
    for (int64_t j = 0; j < columns; ++j) {
      const long double rest = (is_simplex ? x[j] : sizes[size_t(j)]) - tau;
      if (!is_finite) {
        out[j] = std::numeric_limits<double>::quiet_NaN();
        continue;
      }
      switch (op.set) {
        case RowSet::kSimplex:
          out[j] = double(std::max(rest, 0.0L));
          break;
        case RowSet::kL1Ball:
          out[j] = sum <= op.size ? x[j] : std::copysign(double(std::max(rest, 0.0L)), x[j]);
          break;
        case RowSet::kBall:
          out[j] = norm <= op.size ? x[j] : x[j] * (op.size / norm);
          break;
        case RowSet::kHalfspace:
          out[j] = product <= op.size ? x[j] : double(x[j] - (product - op.size) / square * a[j]);
      }
    }
  }
}
ORTHOKIT_REFERENCE(ProjectRows, project_rows, 16);

// All sums are f64, as what is subtracted is: of it, as of x, nothing may be left.
// - Of a halfspace the part along the normal.
// - Of a simplex, and of the 1-ball, the largest number and the threshold below it.
static std::vector<double> terms_of(const ProjectRows& op, std::string_view) {
  const bool is_simplex = op.set == RowSet::kSimplex;
  if (op.set == RowSet::kBall) return {};
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  const double* a = values(op.normal);
  std::vector<double> terms;
  for (int64_t i = 0; i < rows; ++i) {
    const double* x = values(op.x) + i * columns;
    double product = std::abs(op.size), square = 0;
    for (int64_t j = 0; a && j < columns; ++j)
      product += std::abs(a[j] * x[j]), square += a[j] * a[j];
    std::vector<double> sizes(x, x + columns);
    if (!is_simplex)
      std::ranges::transform(x, x + columns, sizes.begin(), [](double v) { return std::abs(v); });
    const double largest = columns == 0 ? 0 : *std::ranges::max_element(sizes),
                 below = a ? 0 : largest - double(threshold(sizes, op.size));
    for (int64_t j = 0; j < columns; ++j) {
      const double term = a ? std::abs(x[j]) + product / square * std::abs(a[j])
                            : std::abs(sizes[size_t(j)] - largest) + below;
      terms.push_back(op.x.dtype == Dtype::kF64 ? term : term * 0x1p-29);
    }
  }
  return terms;
}
ORTHOKIT_TERMS(ProjectRows, terms_of);

}  // namespace orthokit::bench
