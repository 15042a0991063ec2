#include "ops/products/lanczos_steps.h"

#include <cmath>
#include <limits>
#include <vector>

#include "bench/reference/shared/inner_product.h"

namespace orthokit::bench {

// Its squares need not fit into f64.
static long double product(const double* a, const double* b, int64_t n) {
  long double sum = 0;
  for (int64_t j = 0; j < n; ++j) sum += static_cast<long double>(a[j]) * b[j];
  return sum;
}

static thread_local bool has_row_without_length = false;  // a row of the last run

static void lanczos_steps(const LanczosSteps& op) {
  has_row_without_length = false;
  const int64_t n = op.size();
  double* basis = values(op.basis);
  for (int64_t step = 0; step < op.steps(); ++step) {
    const int64_t row = op.from + step;
    double *last = basis + row * n, *next = last + n;
    if (op.matrix.data)
      for (int64_t j = 0; j < n; ++j) next[j] = double(product(values(op.matrix) + j * n, last, n));
    for (int pass = 0; pass < 2; ++pass) {
      const int64_t begin = pass == 0 && row > 1 ? row - 1 : 0;
      std::vector<double> products;
      for (int64_t i = begin; i <= row; ++i)
        products.push_back(double(product(basis + i * n, next, n)));
      if (pass == 0) values(op.out)[2 * step] = products.back();
      for (int64_t j = 0; j < n; ++j) {
        double size = std::abs(next[j]);
        for (int64_t i = begin; i <= row; ++i) {
          const double part = products[size_t(i - begin)] * basis[i * n + j];
          next[j] -= part, size += std::abs(part);
        }
        // Of a row that is a sum of those before, rounding is all that is left.
        next[j] = remaining(next[j], rounding_of(op.basis.dtype, size));
      }
    }
    const double length = double(std::sqrt(product(next, next, n)));
    // f64 has no inverse of a subnormal length.
    has_row_without_length = has_row_without_length || length < std::numeric_limits<double>::min();
    values(op.out)[2 * step + 1] = length;
    for (int64_t j = 0; j < n; ++j) next[j] = length > 0 || length != length ? next[j] / length : 0;
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
