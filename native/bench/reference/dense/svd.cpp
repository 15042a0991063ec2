#include "ops/dense/svd.h"

#include <algorithm>
#include <numeric>

#include "bench/reference/dense/shared/sign.h"
#include "bench/reference/reference.h"

namespace orthokit::bench {
namespace {

using Line = std::vector<double>;

double dot(const Line& x, const Line& y) {
  return std::inner_product(x.begin(), x.end(), y.begin(), 0.0);
}

void turn(Line& x, Line& y, double c, double s) {
  for (size_t i = 0; i < x.size(); ++i) {
    const double old = x[i];
    x[i] = c * old - s * y[i], y[i] = s * old + c * y[i];
  }
}

// One-sided Jacobi; `basis` takes the same rotations.
void rotate(std::vector<Line>& lines, std::vector<Line>& basis) {
  bool is_done = false;
  for (int sweep = 0; sweep < 30 && !is_done; ++sweep) {
    is_done = true;
    for (size_t p = 0; p < lines.size(); ++p)
      for (size_t q = p + 1; q < lines.size(); ++q) {
        const double product = dot(lines[p], lines[q]);
        const double xx = dot(lines[p], lines[p]), yy = dot(lines[q], lines[q]);
        if (std::abs(product) <= 0x1p-52 * std::sqrt(xx * yy)) continue;
        is_done = false;
        const double zeta = (yy - xx) / (2 * product);
        const double t = (zeta < 0 ? -1 : 1) / (std::abs(zeta) + std::hypot(1, zeta));
        const double c = 1 / std::hypot(1, t);
        turn(lines[p], lines[q], c, c * t), turn(basis[p], basis[q], c, c * t);
      }
  }
}

}  // namespace

// The examples have full rank.
static void svd(const Svd& op) {
  const auto [batch, rows, columns] = matrices(op.matrix);
  const size_t m = size_t(rows), n = size_t(columns), k = std::min(m, n);
  const bool is_wide = m < n;
  for (size_t index = 0; index < size_t(batch); ++index) {
    const double* a = values(op.matrix) + index * m * n;
    const bool is_finite = std::all_of(a, a + m * n, [](double x) { return std::isfinite(x); });
    std::vector<Line> lines(k, Line(is_wide ? n : m)), basis(k, Line(k, 0.0));
    for (size_t i = 0; i < k; ++i) {
      basis[i][i] = 1;
      for (size_t j = 0; j < lines[i].size(); ++j)
        lines[i][j] = is_wide ? a[i * n + j] : a[j * n + i];
    }
    values(op.info)[index] = is_finite ? 0 : 1;
    if (is_finite) rotate(lines, basis);
    std::vector<size_t> order(k);
    std::iota(order.begin(), order.end(), 0);
    std::ranges::sort(order, {}, [&](size_t i) { return -dot(lines[i], lines[i]); });
    for (size_t j = 0; j < k; ++j) {
      Line &x = lines[order[j]], &y = basis[order[j]];
      const double s = is_finite ? std::sqrt(dot(x, x)) : NAN;
      for (double& own : x) own /= s;
      for (double& own : y) own *= is_finite ? 1 : NAN;
      values(op.s)[index * k + j] = s;
      if (!op.u) continue;
      const Line &u = is_wide ? y : x, &v = is_wide ? x : y;
      const double sign = sign_of(m, [&](size_t i) { return u[i]; });
      for (size_t i = 0; i < m; ++i) values(op.u)[index * m * k + i * k + j] = sign * u[i];
      for (size_t i = 0; i < n; ++i) values(op.v)[index * n * k + i * k + j] = sign * v[i];
    }
  }
}
// Jacobi's rotations end where lines of the longer side are orthogonal to 4 √length roundings.
ORTHOKIT_REFERENCE(Svd, svd,
                   8 * double(2 + smaller_side(op.matrix)) +
                       16 * std::sqrt(double(std::max(matrices(op.matrix).rows,
                                                      matrices(op.matrix).columns))));

}  // namespace orthokit::bench
