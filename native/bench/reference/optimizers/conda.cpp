#include "ops/optimizers/conda.h"

#include "bench/reference/optimizers/shared/orthogonal.h"
#include "bench/reference/optimizers/shared/singular_basis.h"
#include "bench/reference/optimizers/shared/update_in_basis.h"

namespace orthokit::bench {

// Squares of singular values that are nearer, of the largest one's, have vectors that rounding
// turns.
constexpr double kLeastApart = 1e-5;
static thread_local bool is_unsteady = false;  // in the last run

static void refresh(const double* m, double* basis, const Projection& p) {
  if (!is_finite(m, p.of.rows * p.of.columns)) {
    std::fill_n(basis, p.length() * p.vectors(), NAN);
    return;
  }
  const SingularBasis found = singular_basis(m, p);
  for (size_t j = 0; j < found.vectors; ++j)
    for (size_t k = 0; k < found.length; ++k)
      if (k != j &&
          !(std::abs(found.squares[j] - found.squares[k]) > kLeastApart * found.squares[0]))
        is_unsteady = true;
  for (size_t i = 0; i < found.length; ++i)
    for (size_t j = 0; j < found.vectors; ++j)
      *basis++ = remaining(found.at(i, j), found.error_of_solver(i, j));
}

static Vector project(const Projection& p, const Vector& basis, const Vector& x) {
  if (p.is_left) return product(basis, true, x, p.vectors(), p.length(), p.of.columns);
  return product(x, false, basis, p.of.rows, p.length(), p.vectors());
}
static Vector unproject(const Projection& p, const Vector& basis, const Vector& u) {
  if (p.is_left) return product(basis, false, u, p.length(), p.vectors(), p.of.columns);
  return product(u, false, transpose(basis, p.length(), p.vectors()), p.of.rows, p.vectors(),
                 p.length());
}

// The projection of x, with 0 for what may be all rounding: at most `least` of the norm of the row
// times the vector's largest entry.
static Vector project_above(const Projection& p, const Vector& basis, const Vector& x,
                            double least) {
  std::vector<long double> squares(size_t(p.is_left ? p.of.columns : p.of.rows));
  for (size_t i = 0; i < x.size(); ++i) {
    const size_t row = i / size_t(p.of.columns), column = i % size_t(p.of.columns);
    squares[p.is_left ? column : row] += static_cast<long double>(x[i]) * x[i];
  }
  Vector sizes(size_t(p.vectors())), out = project(p, basis, x);
  for (size_t i = 0; i < basis.size(); ++i) {
    double& size = sizes[i % sizes.size()];
    size = std::max(size, std::abs(basis[i]));
  }
  for (size_t i = 0; i < out.size(); ++i) {
    const size_t row = i / size_t(p.columns()), column = i % size_t(p.columns());
    const double floor = least * double(std::sqrt(squares[p.is_left ? column : row])) *
                         sizes[p.is_left ? row : column];
    const double size = std::abs(out[i]);
    if (size > floor / 4 && size < 4 * floor) is_unsteady = true;  // rounding may decide it
    if (std::isfinite(floor) && size <= floor) out[i] = 0;
  }
  return out;
}

// The update of one matrix from its momentum and gradient; the roots go on.
static Vector adam_update(const Conda& op, int64_t t, const Vector& basis, const Vector& m,
                          const Vector& g, double* roots, double count) {
  const Projection p = op.projection(t);
  const Vector in_basis = project_above(p, basis, m, op.least_of_momentum(t)),
               grad = project_above(p, basis, g, op.least_of_gradient(t));
  const double factor = std::sqrt(1 - std::pow(op.beta2, count)) / (1 - std::pow(op.beta1, count));
  Vector u(in_basis.size());
  for (size_t i = 0; i < u.size(); ++i) {
    roots[i] = root_of_squares(std::sqrt(op.beta2) * roots[i], std::sqrt(1 - op.beta2) * grad[i]);
    u[i] = update_in_basis(in_basis[i], roots[i], factor, op.eps);
  }
  return unproject(p, basis, u);
}

// Part b of as many as the matrices are.
static Vector part_of(const Vector& all, int64_t b, int64_t size) {
  return {all.begin() + b * size, all.begin() + (b + 1) * size};
}

static void conda(const Conda& op) {
  const Step& step = op.step;
  is_unsteady = false;
  if (is_held(step.guard)) return;
  for (int64_t t = 0; t < step.weights.count; ++t) {
    const Projection p = op.projection(t);
    const Vector g = decayed_gradient(step, t);
    const Vector m = advance({.momentum = op.beta1}, op.momenta[t], g);
    const double before = (*values(op.steps[t]))++;
    const int64_t size = p.of.rows * p.of.columns, length = p.length() * p.vectors();
    double update = 0;
    for (int64_t b = 0; b < p.of.batch && size > 0; ++b) {
      const Vector own = part_of(m, b, size);
      double* basis = values(op.bases[t]) + b * length;
      if (std::fmod(before, double(op.gap)) == 0) refresh(own.data(), basis, p);
      const Vector u = adam_update(op, t, Vector(basis, basis + length), own, part_of(g, b, size),
                                   values(op.roots[t]) + b * p.rows() * p.columns(), before + 1);
      update += apply(step, t, u, step.lr * op.scale * step.keep(), size_t(b * size));
    }
    note(step, t, update);
  }
}
// Sums as long as a side, of numbers that are sums themselves.
ORTHOKIT_REFERENCE(Conda, conda, 16 * (4 + std::sqrt(longest_side(op.step.weights))));

static double terms_of_conda(const Conda&, std::string_view) { return is_unsteady ? kUnsteady : 0; }
ORTHOKIT_SOME_TERMS(Conda, terms_of_conda);

}  // namespace orthokit::bench
