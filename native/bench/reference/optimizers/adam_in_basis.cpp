#include "ops/optimizers/adam_in_basis.h"

#include "bench/reference/operands.h"
#include "bench/reference/optimizers/shared/step.h"
#include "bench/reference/optimizers/shared/update_in_basis.h"

namespace orthokit::bench {

static bool is_near_floor = false;  // an element of the last run may count as 0 or not

static void adam_in_basis(const AdamInBasis& op) {
  is_near_floor = false;
  double* out = values(op.out);
  if (is_held(op.guard)) {
    for (int64_t i = 0; i < op.out.size(); ++i) out[i] = 0;
    return;
  }
  const double count = ++*values(op.steps), rows = double(op.out.shape[1]);
  const double factor = std::sqrt(1 - std::pow(op.beta2, count)) / (1 - std::pow(op.beta1, count));
  const int64_t columns = op.out.shape[2];
  for (int64_t i = 0; i < op.out.size(); ++i) {
    const int64_t row = i / columns, column = row / int64_t(rows) * columns + i % columns;
    const bool by_row = op.axis == SliceAxis::kRows;
    const int64_t line = by_row ? row : column, vector = by_row ? column : row;
    const auto counted = [&](double x, const View& norms, double least) {
      const double floor = least * values(norms)[line] * values(op.sizes)[vector];
      const double distance = std::abs(std::abs(x) - floor);
      if (floor > 0 && distance <= 64 * unit_of(op.out.dtype) * floor) is_near_floor = true;
      return std::isfinite(floor) && std::abs(x) <= floor ? 0 : x;
    };
    const double g = counted(values(op.grad)[i], op.norms, op.least),
                 m = counted(values(op.momentum)[i], op.momentum_norms, op.least_of_momentum);
    double& r = values(op.roots)[i];
    r = root_of_squares(std::sqrt(op.beta2) * r, std::sqrt(1 - op.beta2) * g);
    out[i] = update_in_basis(m, r, factor, op.eps);
  }
}
ORTHOKIT_REFERENCE(AdamInBasis, adam_in_basis, kElementwise);

// An element of the size that counts as 0 rounds to either side of it.
static double terms_of_adam(const AdamInBasis&, std::string_view) {
  return is_near_floor ? kUnsteady : 0;
}
ORTHOKIT_SOME_TERMS(AdamInBasis, terms_of_adam);

}  // namespace orthokit::bench
