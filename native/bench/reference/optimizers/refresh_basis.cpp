#include "ops/optimizers/refresh_basis.h"

#include "bench/reference/optimizers/shared/singular_basis.h"

namespace orthokit::bench {
namespace {

constexpr double kRoundings = 4;  // of a vector's elements

// f(basis, index) for each matrix that gets one, g(index) for each that is not finite.
template <class F, class G>
void for_due(const RefreshBasis& op, F&& f, G&& g) {
  const Projection p = op.projection();
  const int64_t size = p.of.rows * p.of.columns;
  if (is_held(op.guard) || std::fmod(*values(op.steps), double(op.gap)) != 0) return;
  for (int64_t index = 0; index < p.of.batch && size > 0; ++index) {
    const double* x = values(op.x) + index * size;
    if (is_finite(x, size))
      f(singular_basis(x, p), index);
    else
      g(index);
  }
}

void refresh_basis(const RefreshBasis& op) {
  const Projection p = op.projection();
  const int64_t size = p.length() * p.vectors();
  for_due(
      op,
      [&](const SingularBasis& basis, int64_t index) {
        double* out = values(op.basis) + index * size;
        for (size_t i = 0; i < basis.length; ++i)
          for (size_t j = 0; j < basis.vectors; ++j) *out++ = basis.at(i, j);
      },
      [&](int64_t index) { std::fill_n(values(op.basis) + index * size, size, NAN); });
}

std::vector<double> terms_of_basis(const RefreshBasis& op, std::string_view tensor) {
  if (tensor != "basis") return {};
  std::vector<double> terms(size_t(op.basis.size()), 0.0);
  const double own = kRoundings * unit_of(op.basis.dtype);
  const auto terms_of = [&](const SingularBasis& basis, int64_t index) {
    const size_t first = size_t(index) * basis.length * basis.vectors;
    for (size_t j = 0; j < basis.vectors; ++j) {
      const auto error = [&](size_t i) { return basis.error_of_solver(i, j); };
      const bool is_certain = is_sign_certain(
          basis.length, [&](size_t i) { return basis.at(i, j); }, error);
      for (size_t i = 0; i < basis.length; ++i)
        // No two unit vectors are farther apart than 2.
        terms[first + i * basis.vectors + j] = (is_certain ? std::min(error(i), 2.0) : 2.0) / own;
    }
  };
  for_due(op, terms_of, [](int64_t) {});
  return terms;
}

}  // namespace
ORTHOKIT_REFERENCE(RefreshBasis, refresh_basis, kRoundings);
ORTHOKIT_ALL_TERMS(RefreshBasis, terms_of_basis);

}  // namespace orthokit::bench
