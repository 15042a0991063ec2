#include "ops/products/gram_schmidt.h"

#include "bench/reference/products/shared/orthonormal_row.h"

namespace orthokit::bench {

static thread_local bool is_without_length = false;  // the last run

static void gram_schmidt(const GramSchmidt& op) {
  const int64_t rows = op.basis.shape[0];
  double* out = values(op.out);
  out[rows] = orthonormalize(values(op.basis), rows, op.first(), values(op.x), op.x.size(),
                             op.x.dtype, out);
  is_without_length = is_subnormal(out[rows]);
}
ORTHOKIT_REFERENCE(GramSchmidt, gram_schmidt,
                   product_growth(op.x.size()) * product_growth(op.basis.shape[0]));

static double terms_of_gram_schmidt(const GramSchmidt&, std::string_view) {
  return is_without_length ? kUnsteady : 0;
}
ORTHOKIT_SOME_TERMS(GramSchmidt, terms_of_gram_schmidt);

}  // namespace orthokit::bench
