#include "ops/products/newton_schulz.h"

#include "bench/reference/optimizers/shared/orthogonal.h"

namespace orthokit::bench {

static void run(const NewtonSchulz& op) {
  const Vector x(values(op.x), values(op.x) + op.x.size());
  const Vector out = newton_schulz(x, matrices(op.x), steps_of_reference(op));
  for (size_t i = 0; i < out.size(); ++i) values(op.out)[i] = out[i];
}
// Sums of the last product may cancel. It comes after all that grows an error, so that its terms
// count by two roundings of their own; moves of x show the others.
static std::vector<double> terms_of(const NewtonSchulz& op, std::string_view) {
  if (op.x.data == op.out.data || op.coefficients.count == 0) return {};
  const Matrices s = matrices(op.x);
  const int64_t size = s.rows * s.columns;
  const double share = 2 / newton_schulz_growth(op, long_side(op.x));
  std::vector<double> all;
  for (int64_t i = 0; i < s.batch; ++i) {
    const double* x = values(op.x) + i * size;
    Vector terms(size_t(size), 0.0);
    newton_schulz(Vector(x, x + size), s.rows, s.columns, steps_of_reference(op), &terms);
    for (double term : terms) all.push_back(share * term);
  }
  return all;
}
ORTHOKIT_REFERENCE(NewtonSchulz, run, newton_schulz_growth(op, long_side(op.x)));
ORTHOKIT_SOME_TERMS(NewtonSchulz, terms_of);

}  // namespace orthokit::bench
