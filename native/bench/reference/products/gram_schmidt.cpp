#include "ops/products/gram_schmidt.h"

#include <cmath>
#include <limits>
#include <vector>

#include "bench/reference/shared/inner_product.h"

namespace orthokit::bench {

static thread_local bool is_without_length = false;  // the last run

static void gram_schmidt(const GramSchmidt& op) {
  const int64_t rows = op.basis.shape[0], size = op.x.size();
  const double* basis = values(op.basis);
  std::vector<double> x(values(op.x), values(op.x) + size), products;
  products.resize(size_t(rows));
  for (int pass = 0; pass < 2 && rows > 0; ++pass) {
    const bool is_first = pass == 0;
    const int64_t from = is_first ? rows - op.first() : 0;
    for (int64_t i = from; i < rows; ++i) {
      long double sum = 0;
      for (int64_t j = 0; j < size; ++j)
        sum += static_cast<long double>(basis[i * size + j]) * x[size_t(j)];
      products[size_t(i)] = double(sum);
      if (is_first || i < rows - op.first()) values(op.out)[i] = double(sum);
    }
    for (int64_t j = 0; j < size; ++j) {
      long double sum = 0, terms = std::abs(x[size_t(j)]);
      for (int64_t i = from; i < rows; ++i) {
        const long double part =
            static_cast<long double>(products[size_t(i)]) * basis[i * size + j];
        sum += part, terms += std::abs(part);
      }
      // Of a sum of the rows, rounding is all that is left.
      x[size_t(j)] = remaining(x[size_t(j)] - double(sum), rounding_of(op.x.dtype, double(terms)));
    }
  }
  long double squares = 0;
  for (double one : x) squares += static_cast<long double>(one) * one;
  const double length = double(std::sqrt(squares));
  // f64 has no inverse of a subnormal length.
  is_without_length = length < std::numeric_limits<double>::min();
  values(op.out)[rows] = length;
  for (int64_t j = 0; j < size; ++j)
    values(op.x)[j] = length > 0 || length != length ? x[size_t(j)] / length : 0;
}
ORTHOKIT_REFERENCE(GramSchmidt, gram_schmidt,
                   product_growth(op.x.size()) * product_growth(op.basis.shape[0]));

static double terms_of_gram_schmidt(const GramSchmidt&, std::string_view) {
  return is_without_length ? kUnsteady : 0;
}
ORTHOKIT_SOME_TERMS(GramSchmidt, terms_of_gram_schmidt);

}  // namespace orthokit::bench
