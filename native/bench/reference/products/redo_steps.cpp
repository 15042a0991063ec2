#include "ops/products/redo_steps.h"

#include "bench/reference/optimizers/shared/orthogonal.h"

namespace orthokit::bench {

// f(matrix, y, whether y is turned) for those that are redone; y is no wider than tall.
static void for_redone(const RedoSteps& op, auto&& f) {
  const Matrices s = matrices(op.x);
  const int64_t size = s.rows * s.columns;
  for (int64_t i = 0; i < s.batch && size > 0; ++i) {
    const double* x = values(op.x) + i * size;
    if (values(op.norms)[i] <= op.most()) continue;
    if (!std::all_of(x, x + size, [](double v) { return std::isfinite(v); })) continue;
    const bool turned = s.columns > s.rows;
    const Vector y(x, x + size);
    f(i, turned ? transpose(y, s.rows, s.columns) : y, turned);
  }
}
static Vector turned_back(const Vector& y, const Matrices& s, bool turned) {
  return turned ? transpose(y, s.columns, s.rows) : y;
}

static void redo_steps(const RedoSteps& op) {
  const Matrices s = matrices(op.x);
  for_redone(op, [&](int64_t i, const Vector& from, bool turned) {
    const Vector y =
        turned_back(steps_from(from, std::max(s.rows, s.columns), std::min(s.rows, s.columns),
                               op.coefficients, arithmetic_of(op.x.dtype)),
                    s, turned);
    std::copy(y.begin(), y.end(), values(op.out) + i * s.rows * s.columns);
    if (op.count) values(op.count)[0] += 1;
  });
}
static double redo_growth(const RedoSteps& op) { return 16 + 4 * std::sqrt(long_side(op.x)); }

ORTHOKIT_REFERENCE(RedoSteps, redo_steps, redo_growth(op));

}  // namespace orthokit::bench
