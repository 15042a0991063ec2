#include "ops/products/gemm.h"

#include "bench/reference/shared/inner_product.h"

namespace orthokit::bench {

static Dtype rounded_to(const Gemm& op) {
  if (op.products == Products::kOwn) return Dtype::kF64;
  return op.products == Products::kBf16 ? Dtype::kBf16 : Dtype::kF16;
}

// The inner product that is element (i, j) of a product of the batch.
static InnerProduct inner_product(const Gemm& op, int64_t batch, int64_t i, int64_t j) {
  const Matrices sa = matrices(op.a), sb = matrices(op.b);
  const bool ta = op.trans_a == Transpose::kTransposed, tb = op.trans_b == Transpose::kTransposed;
  const double* a = values(op.a) + batch * sa.rows * sa.columns + (ta ? i : i * sa.columns);
  const double* b = values(op.b) + batch * sb.rows * sb.columns + (tb ? j * sb.columns : j);
  return {
      a, ta ? sa.columns : 1, b, tb ? 1 : sb.columns, ta ? sa.rows : sa.columns, rounded_to(op)};
}

static void gemm(const Gemm& op) {
  const Matrices size = matrices(op.c);
  double* c = values(op.c);
  const double *old = op.addend ? values(op.addend) : c,
               *bias = op.bias ? values(op.bias) : nullptr;
  for (int64_t batch = 0; batch < size.batch; ++batch)
    for (int64_t i = 0; i < size.rows; ++i)
      for (int64_t j = 0; j < size.columns; ++j, ++c, ++old) {
        const double sum = inner_product(op, batch, i, j).sum();
        *c = (op.alpha == 0 || op.inner() == 0 ? 0 : factor_in(op.a.dtype, op.alpha) * sum) +
             (op.beta == 0 ? 0 : op.beta * *old) + (bias ? bias[j] : 0);
      }
}
ORTHOKIT_REFERENCE(Gemm, gemm, product_growth(op.inner()));

// The sum of products, and what is added to it, which is what the result has besides.
static double terms_of(const Gemm& op, std::string_view, int64_t j) {
  const Matrices size = matrices(op.c);
  const int64_t columns = size.columns, rows = size.rows;
  const InnerProduct product =
      inner_product(op, j / columns / rows, j / columns % rows, j % columns);
  const double terms = op.a.dtype == Dtype::kBf16 || op.products == Products::kBf16
                           ? product.terms_of_bf16(growth_of(op) * unit_of(Dtype::kF32))
                           : product.terms();
  if (terms == kUnsteady) return kUnsteady;
  const double bias = op.bias ? values(op.bias)[j % columns] : 0;
  const double old = values(op.c)[j] - op.alpha * product.sum() - bias;
  return std::abs(op.alpha) * terms + terms_of_added(old, growth_of(op)) +
         terms_of_added(bias, growth_of(op));
}
ORTHOKIT_ALL_TERMS(Gemm, terms_of);

}  // namespace orthokit::bench
