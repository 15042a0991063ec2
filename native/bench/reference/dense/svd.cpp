#include "ops/dense/svd.h"

#include <algorithm>
#include <numeric>

#include "bench/reference/dense/shared/sign.h"
#include "bench/reference/operands.h"
#include "bench/reference/reference.h"

namespace orthokit::bench {
namespace {

using Line = std::vector<double>;

double dot(const Line& x, const Line& y) {
  return std::inner_product(x.begin(), x.end(), y.begin(), 0.0);
}

// c x − s y and s x + c y, whose rounding is small where the angle is (Rutishauser 1966).
void turn(Line& x, Line& y, double c, double s) {
  const double half = s / (1 + c);
  for (size_t i = 0; i < x.size(); ++i) {
    const double old = x[i];
    x[i] -= s * (y[i] + half * old), y[i] += s * (old - half * y[i]);
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
// Jacobi's rotations end where lines of the longer side are orthogonal to 8 √length roundings.
ORTHOKIT_REFERENCE(Svd, svd,
                   2 * double(2 + smaller_side(op.matrix)) +
                       8 * std::sqrt(double(std::max(matrices(op.matrix).rows,
                                                     matrices(op.matrix).columns))));

// The results are exact for A + E, ‖E‖ at most the growth's roundings of ‖A‖. Values move by ‖E‖ at
// most, and vector j of U by the sum of (sⱼ uᵢᵀ E vⱼ + sᵢ uⱼᵀ E vᵢ) / (sⱼ² − sᵢ²) uᵢ over all
// others, and by what E vⱼ has beside all of U, over sⱼ; V likewise (Stewart and Sun, Matrix
// Perturbation Theory, 1990). The squares of the uᵢᵀ E vⱼ add up to at most ‖E‖², and so do those
// of the uⱼᵀ E vᵢ. The vectors' length rounds besides.
static std::vector<double> terms_of_vectors(size_t size, size_t k, const double* s,
                                            const double* x) {
  std::vector<double> terms;
  for (size_t row = 0; row < size; ++row, x += k) {
    const double inside = std::inner_product(x, x + k, x, 0.0),
                 beside = size == k ? 0 : std::sqrt(std::max(0.0, 1 - inside));
    for (size_t j = 0; j < k; ++j) {
      double sum = 0;
      for (size_t i = 0; i < k; ++i)
        if (i != j)
          sum += std::pow(x[i] / ((s[j] - s[i]) * (s[j] + s[i])), 2) * (s[j] * s[j] + s[i] * s[i]);
      terms.push_back(1 + s[0] * (std::sqrt(2 * sum) + beside / s[j]));
    }
  }
  return terms;
}

static std::vector<double> terms_of(const Svd& op, std::string_view tensor) {
  const auto [batch, rows, columns] = matrices(op.matrix);
  const size_t m = size_t(rows), n = size_t(columns), k = std::min(m, n);
  const double rounding = growth_of(op) * unit_of(op.matrix.dtype);
  std::vector<double> terms;
  for (size_t index = 0; index < size_t(batch) && k > 0; ++index) {
    const double* s = values(op.s) + index * k;
    if (tensor == "s") terms.insert(terms.end(), k, s[0]);
    if (tensor != "u" && tensor != "v") continue;
    // The sign of a pair is that of its vector of U.
    const double* u = values(op.u) + index * m * k;
    auto own = terms_of_vectors(m, k, s, u);
    const auto uncertain = uncertain_signs(m, k, u, rounding, own);
    const double* x = tensor == "u" ? u : values(op.v) + index * n * k;
    if (tensor == "v") own = terms_of_vectors(n, k, s, x);
    allow_either_sign(uncertain, x, rounding, own);
    terms.insert(terms.end(), own.begin(), own.end());
  }
  return terms;
}
ORTHOKIT_TERMS(Svd, terms_of);

}  // namespace orthokit::bench
