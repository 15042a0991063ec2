#include "ops/gemm.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void gemm(const Gemm& op) {
  const Matrices size = matrices(op.c), sa = matrices(op.a), sb = matrices(op.b);
  const bool ta = op.trans_a == Transpose::kTransposed, tb = op.trans_b == Transpose::kTransposed;
  const int64_t inner = ta ? sa.rows : sa.columns;
  for (int64_t batch = 0; batch < size.batch; ++batch) {
    const double* a = values(op.a) + batch * sa.rows * sa.columns;
    const double* b = values(op.b) + batch * sb.rows * sb.columns;
    double* c = values(op.c) + batch * size.rows * size.columns;
    for (int64_t i = 0; i < size.rows; ++i)
      for (int64_t j = 0; j < size.columns; ++j) {
        double sum = 0;
        for (int64_t k = 0; k < inner; ++k)
          sum += a[ta ? k * sa.columns + i : i * sa.columns + k] *
                 b[tb ? j * sb.columns + k : k * sb.columns + j];
        double& target = c[i * size.columns + j];
        target = (op.alpha == 0 ? 0 : op.alpha * sum) + (op.beta == 0 ? 0 : op.beta * target);
      }
  }
}
ORTHOKIT_REFERENCE(Gemm, gemm, 4 + std::sqrt(double(op.inner())));

}  // namespace orthokit::bench
