#include "ops/symmetric_product.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void symmetric_product(const SymmetricProduct& op) {
  const Matrices size = matrices(op.a);
  const bool t = op.trans == Transpose::kTransposed;
  const int64_t n = t ? size.columns : size.rows, inner = t ? size.rows : size.columns;
  for (int64_t batch = 0; batch < size.batch; ++batch) {
    const double* a = values(op.a) + batch * n * inner;
    const double* b = op.b ? values(op.b) + batch * n * inner : a;
    double* c = values(op.c) + batch * n * n;
    const double* old = op.addend ? values(op.addend) + batch * n * n : c;
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j <= i; ++j) {
        double sum = 0;
        for (int64_t k = 0; k < inner; ++k)
          sum += t ? a[k * n + i] * b[k * n + j] : a[i * inner + k] * b[j * inner + k];
        c[i * n + j] = op.alpha * sum + (op.beta == 0 ? 0 : op.beta * old[i * n + j]) +
                       (i == j ? op.diagonal : 0);
        c[j * n + i] = c[i * n + j];
      }
  }
}
ORTHOKIT_REFERENCE(SymmetricProduct, symmetric_product,
                   4 + std::sqrt(double(op.a.size()) / double(matrices(op.c).rows)));

}  // namespace orthokit::bench
