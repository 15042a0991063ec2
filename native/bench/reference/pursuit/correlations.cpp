#include "ops/pursuit/correlations.h"

#include "bench/reference/shared/inner_product.h"

namespace orthokit::bench {

static void correlations(const Correlations& op) {
  const int64_t depth = op.x.shape[1], atoms = op.atoms.shape[0];
  for (int64_t i = 0; i < op.out.size(); ++i) {
    double sum = 0;
    for (int64_t k = 0; k < depth; ++k)
      sum += values(op.x)[i / atoms * depth + k] * values(op.atoms)[i % atoms * depth + k];
    values(op.out)[i] = sum;
  }
}
ORTHOKIT_REFERENCE(Correlations, correlations, product_growth(op.x.shape[1]));

}  // namespace orthokit::bench
