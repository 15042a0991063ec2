// Gram–Schmidt in plain loops.
#pragma once
#include <cmath>
#include <limits>
#include <vector>

#include "bench/reference/shared/inner_product.h"

namespace orthokit::bench {

// x without its parts along the rows of a basis, twice, the first time along the last `first` of
// them alone, and of length 1, which is returned. `products` get the first product with each row.
inline double orthonormalize(const double* basis, int64_t rows, int64_t first, double* x,
                             int64_t size, Dtype dtype, double* products) {
  std::vector<double> of_pass(static_cast<size_t>(rows));
  for (int pass = 0; pass < 2 && rows > 0; ++pass) {
    const bool is_first = pass == 0;
    const int64_t from = is_first ? rows - first : 0;
    for (int64_t i = from; i < rows; ++i) {
      long double sum = 0;
      for (int64_t j = 0; j < size; ++j)
        sum += static_cast<long double>(basis[i * size + j]) * x[j];
      of_pass[size_t(i)] = double(sum);
      if (is_first || i < rows - first) products[i] = double(sum);
    }
    for (int64_t j = 0; j < size; ++j) {
      long double sum = 0, terms = std::abs(x[j]);
      for (int64_t i = from; i < rows; ++i) {
        const long double part = static_cast<long double>(of_pass[size_t(i)]) * basis[i * size + j];
        sum += part, terms += std::abs(part);
      }
      // Of a sum of the rows, rounding is all that is left.
      x[j] = remaining(x[j] - double(sum), rounding_of(dtype, double(terms)));
    }
  }
  long double squares = 0;
  for (int64_t j = 0; j < size; ++j) squares += static_cast<long double>(x[j]) * x[j];
  const double length = double(std::sqrt(squares));
  for (int64_t j = 0; j < size; ++j) x[j] = length > 0 || length != length ? x[j] / length : 0;
  return length;
}

// f64 has no inverse of such a length.
inline bool is_subnormal(double length) { return length < std::numeric_limits<double>::min(); }

}  // namespace orthokit::bench
