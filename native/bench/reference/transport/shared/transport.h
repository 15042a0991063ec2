// Dense transport in plain loops.
#pragma once
#include <algorithm>

#include "bench/reference/reference.h"

namespace orthokit::bench {

// So many units of rounding of f64, whatever the dtype of the matrix: all else is f64, arithmetic
// too.
inline double in_f64(const View& matrix, double growth) {
  return matrix.dtype == Dtype::kF64 ? growth : growth * 0x1p-29;
}

// (fᵢ + gⱼ − costᵢⱼ) / eps.
inline double exponent_of(const View& cost, const View& f, const View& g, double eps, int64_t i,
                          int64_t j) {
  return (values(f)[i] + values(g)[j] - values(cost)[i * cost.shape[1] + j]) / eps;
}

// ln Σₖ exp(term(k)) for k < n.
template <class Term>
double log_sum_of_exps(int64_t n, Term&& term) {
  double most = -HUGE_VAL;
  bool is_none = true;
  for (int64_t k = 0; k < n; ++k)
    most = std::max(most, term(k)), is_none = is_none && term(k) == -HUGE_VAL;
  if (is_none) return -HUGE_VAL;
  long double sum = 0;
  for (int64_t k = 0; k < n; ++k) sum += std::exp(static_cast<long double>(term(k)) - most);
  return double(most + std::log(sum));
}

template <class Term>
double sum_of_terms(int64_t n, Term&& term) {
  long double sum = 0;
  for (int64_t k = 0; k < n; ++k) sum += term(k);
  return double(sum);
}

}  // namespace orthokit::bench
