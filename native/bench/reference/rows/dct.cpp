#include "ops/rows/dct.h"

#include <algorithm>
#include <limits>

#include "bench/reference/shared/cosines.h"
#include "bench/reference/shared/inner_product.h"

namespace orthokit::bench {

static void dct(const Dct& op) {
  const int64_t rows = row_count(op.x), n = row_length(op.x);
  const Cosines q(n);
  for (int64_t row = 0; row < rows; ++row) {
    const double* x = values(op.x) + row * n;
    std::vector<long double> out(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < n; ++j)
        out[size_t(i)] += (long double)(x[j]) * (op.kind == DctKind::kDct2 ? q(i, j) : q(j, i));
    std::ranges::transform(out, values(op.out) + row * n, [](long double y) { return double(y); });
  }
}
// The largest prime factor: of so many numbers a sum is taken as it is.
static int64_t longest_sum(int64_t n) {
  int64_t prime = 1;
  for (int64_t p = 2; p * p <= n; ++p)
    for (; n % p == 0; n /= p) prime = p;
  return std::max(prime, n);
}
ORTHOKIT_REFERENCE(Dct, dct, std::max(16.0, product_growth(longest_sum(row_length(op.x)))));

// Sums of a transform by factors meet infinities of both signs where the definition meets one: of a
// row that holds one, and of a row whose sums may not be held before it is scaled. A cosine that is
// 0 rounds as large ones do.
static std::vector<double> terms_of(const Dct& op, std::string_view) {
  const int64_t rows = row_count(op.out), n = row_length(op.out);
  const double most = op.x.dtype == Dtype::kF64 ? std::numeric_limits<double>::max()
                                                : double(std::numeric_limits<float>::max());
  constexpr double kOfCosines = 2;  // roundings
  std::vector<double> terms(size_t(op.out.size()), 0.0);
  for (int64_t row = 0; row < rows; ++row) {
    const double norm = norm_of(values(op.out) + row * n, n),
                 of_cosines = norm * std::sqrt(2.0 / double(n)) * kOfCosines / growth_of(op);
    std::fill_n(terms.begin() + row * n, n, norm < most / double(n) ? of_cosines : kUnsteady);
  }
  return terms;
}
ORTHOKIT_SOME_TERMS(Dct, terms_of);

}  // namespace orthokit::bench
