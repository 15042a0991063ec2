#include "ops/optimizers/dion.h"

#include "bench/reference/operands.h"
#include "bench/reference/optimizers/shared/orthogonal.h"

namespace orthokit::bench {

// A column of which this much is left has no digits of a direction: kernels find others.
constexpr double kLeastLeft = 1e-6;
static thread_local bool is_unsteady = false;  // in the last run

// Columns made orthonormal one after the other, each twice. Of full rank alone: the kernels find
// directions for the others too.
static Vector orthonormal(Vector x, int64_t rows, int64_t columns) {
  const auto at = [columns](int64_t i, int64_t j) { return size_t(i * columns + j); };
  const auto norm = [&](int64_t j) {
    double squares = 0;
    for (int64_t i = 0; i < rows; ++i) squares += x[at(i, j)] * x[at(i, j)];
    return std::sqrt(squares);
  };
  for (int64_t j = 0; j < columns; ++j) {
    const double before = norm(j);
    for (int64_t t = 0; t < 2 * j; ++t) {
      double sum = 0;
      for (int64_t i = 0; i < rows; ++i) sum += x[at(i, t % j)] * x[at(i, j)];
      for (int64_t i = 0; i < rows; ++i) x[at(i, j)] -= sum * x[at(i, t % j)];
    }
    const double left = norm(j);
    // NaN and infinity of one matrix reach all of its batch.
    if (!(left > kLeastLeft * before) || !std::isfinite(left)) is_unsteady = true;
    for (int64_t i = 0; i < rows; ++i) x[at(i, j)] /= left;
  }
  return x;
}

// p qᵀ of one matrix; m and q go on. Moves of the inputs do not show the roundings inside: the
// columns of p span those of m, so that p pᵀ takes m for itself, or are orthogonal to them.
static Vector low_rank_direction(const Dion& op, double* momentum, double* q, const Matrices& s,
                                 int64_t rank) {
  const int64_t size = s.rows * s.columns, length = s.columns * rank;
  const Dtype arithmetic = arithmetic_of(op.step.weights[0].dtype);
  const double rounding = rounding_of_sum(arithmetic, double(std::max(s.rows, s.columns)));
  const Vector m(momentum, momentum + size);
  const Vector mq =
      rounded_product(m, false, Vector(q, q + length), s.rows, s.columns, rank, arithmetic);
  Vector p = orthonormal(mq, s.rows, rank);
  for (double& x : p) x = remaining(x, rounding);
  Vector r = rounded_product(m, true, p, s.columns, s.rows, rank, arithmetic);
  const Vector part = product(p, false, transpose(r, s.columns, rank), s.rows, rank, s.columns);
  for (int64_t i = 0; i < size; ++i) momentum[i] -= (1 - op.momentum) * part[size_t(i)];
  for (int64_t j = 0; j < rank; ++j) {
    double squares = 0;
    for (int64_t i = 0; i < s.columns; ++i)
      squares += r[size_t(i * rank + j)] * r[size_t(i * rank + j)];
    for (int64_t i = 0; i < s.columns; ++i) {
      double& x = r[size_t(i * rank + j)];
      x = squares == 0 ? 0 : x / (std::sqrt(squares) + op.eps);
      q[i * rank + j] = x;
    }
  }
  return product(p, false, transpose(r, s.columns, rank), s.rows, rank, s.columns);
}

static void dion(const Dion& op) {
  const Step& step = op.step;
  is_unsteady = false;
  if (is_held(step.guard)) return;
  for (int64_t t = 0; t < step.weights.count; ++t) {
    const Matrices s = matrices(step.weights[t]);
    const Vector g = decayed_gradient(step, t);
    double *m = values(op.momenta[t]), *q = values(op.bases[t]);
    for (size_t i = 0; i < g.size(); ++i) m[i] = kept(op.momenta[t], m[i] + g[i]);
    const double scale = scale_of(op.shape_scale, double(s.rows), double(s.columns));
    double update = 0;
    for (int64_t b = 0; b < s.batch; ++b) {
      const int64_t at = b * s.rows * s.columns;
      update += apply(step, t,
                      low_rank_direction(op, m + at, q + b * s.columns * op.rank(t), s, op.rank(t)),
                      step.lr * scale, size_t(at));
    }
    note(step, t, update);
  }
}
// Sums as long as a side, and the orthonormal factor of columns that are far from dependent.
ORTHOKIT_REFERENCE(Dion, dion, 64 * (4 + std::sqrt(longest_side(op.step.weights))));

static double term_of(const Dion&, std::string_view) { return is_unsteady ? kUnsteady : 0; }
ORTHOKIT_SOME_TERMS(Dion, term_of);

}  // namespace orthokit::bench
