#include "ops/products/symmetric_product.h"

#include <algorithm>

#include "bench/reference/shared/inner_product.h"

namespace orthokit::bench {

static int64_t inner_size(const SymmetricProduct& op) {
  const Matrices size = matrices(op.a);
  return op.trans == Transpose::kTransposed ? size.rows : size.columns;
}

// The inner product that is element (i, j) of a product of the batch.
static InnerProduct inner_product(const SymmetricProduct& op, int64_t batch, int64_t i, int64_t j) {
  const Matrices size = matrices(op.a);
  const bool t = op.trans == Transpose::kTransposed;
  const int64_t n = t ? size.columns : size.rows, inner = inner_size(op), first = batch * n * inner,
                row = t ? 1 : inner, step = t ? n : 1;
  const double *a = values(op.a) + first, *b = op.b ? values(op.b) + first : a;
  return {a + i * row, step, b + j * row, step, inner};
}

static void symmetric_product(const SymmetricProduct& op) {
  const Matrices size = matrices(op.c);
  const int64_t n = size.rows;
  for (int64_t batch = 0; batch < size.batch; ++batch) {
    double* c = values(op.c) + batch * n * n;
    const double* old = op.addend ? values(op.addend) + batch * n * n : c;
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j <= i; ++j) {
        c[i * n + j] = factor_in(op.a.dtype, op.alpha) * inner_product(op, batch, i, j).sum() +
                       (op.beta == 0 ? 0 : op.beta * old[i * n + j]) + (i == j ? op.diagonal : 0);
        c[j * n + i] = c[i * n + j];
      }
  }
}
ORTHOKIT_REFERENCE(SymmetricProduct, symmetric_product, product_growth(inner_size(op)));

// As of a gemm, of the half that is computed.
static double terms_of(const SymmetricProduct& op, std::string_view, int64_t j) {
  const int64_t n = matrices(op.c).rows, row = j / n % n, column = j % n;
  const InnerProduct product =
      inner_product(op, j / n / n, std::max(row, column), std::min(row, column));
  const double terms = op.a.dtype == Dtype::kBf16
                           ? product.terms_of_bf16(growth_of(op) * unit_of(Dtype::kF32))
                           : product.terms();
  if (terms == kUnsteady) return kUnsteady;
  const double diagonal = row == column ? op.diagonal : 0;
  const double old = values(op.c)[j] - op.alpha * product.sum() - diagonal;
  return std::abs(op.alpha) * terms + terms_of_added(old, growth_of(op)) +
         terms_of_added(diagonal, growth_of(op));
}
ORTHOKIT_ALL_TERMS(SymmetricProduct, terms_of);

}  // namespace orthokit::bench
