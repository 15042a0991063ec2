#include "ops/products/lanczos_steps.h"

#include <algorithm>
#include <vector>

#include "bench/reference/products/shared/orthonormal_row.h"

namespace orthokit::bench {

static thread_local bool has_row_without_length = false;  // a row of the last run

static void lanczos_steps(const LanczosSteps& op) {
  has_row_without_length = false;
  const int64_t n = op.size();
  double* basis = values(op.basis);
  for (int64_t step = 0; step < op.steps(); ++step) {
    const int64_t rows = op.from + step + 1;
    double *last = basis + (rows - 1) * n, *next = last + n;
    for (int64_t j = 0; op.matrix.data && j < n; ++j) {
      long double sum = 0;
      for (int64_t k = 0; k < n; ++k)
        sum += static_cast<long double>(values(op.matrix)[j * n + k]) * last[k];
      next[j] = double(sum);
    }
    std::vector<double> products(static_cast<size_t>(rows));
    const double length = orthonormalize(basis, rows, std::min<int64_t>(2, rows), next, n,
                                         op.basis.dtype, products.data());
    values(op.out)[2 * step] = products.back(), values(op.out)[2 * step + 1] = length;
    has_row_without_length = has_row_without_length || is_subnormal(length);
  }
}
ORTHOKIT_REFERENCE(LanczosSteps, lanczos_steps,
                   product_growth(op.size()) * product_growth(op.from + op.steps() + 1) *
                       double(op.steps() + 1));

static double terms_of_lanczos(const LanczosSteps&, std::string_view) {
  return has_row_without_length ? kUnsteady : 0;
}
ORTHOKIT_SOME_TERMS(LanczosSteps, terms_of_lanczos);

}  // namespace orthokit::bench
