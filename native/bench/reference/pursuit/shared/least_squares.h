// Least squares on a few atoms, in plain loops.
#pragma once
#include <cmath>
#include <vector>

namespace orthokit::bench {

using Rows = std::vector<std::vector<double>>;

// The next row of a Cholesky factor, for an atom of these products with those before and this
// square; its last element is NaN where the atom depends on them.
inline std::vector<double> next_row(const Rows& factor, std::vector<double> products,
                                    double square) {
  for (size_t i = 0; i < factor.size(); ++i) {
    for (size_t s = 0; s < i; ++s) products[i] -= factor[i][s] * products[s];
    products[i] /= factor[i][i];
    square -= products[i] * products[i];
  }
  products.push_back(std::sqrt(square));
  return products;
}

// L x = b, then Lᵀ x = b.
inline std::vector<double> solved_down(const Rows& factor, std::vector<double> x) {
  for (size_t i = 0; i < factor.size(); ++i) {
    for (size_t s = 0; s < i; ++s) x[i] -= factor[i][s] * x[s];
    x[i] /= factor[i][i];
  }
  return x;
}
inline std::vector<double> solved_up(const Rows& factor, std::vector<double> x) {
  for (size_t i = factor.size(); i-- > 0;) {
    for (size_t s = i + 1; s < factor.size(); ++s) x[i] -= factor[s][i] * x[s];
    x[i] /= factor[i][i];
  }
  return x;
}

// The place of the largest; the first of equals.
inline int64_t highest(const std::vector<double>& scores) {
  size_t best = 0;
  for (size_t j = 1; j < scores.size(); ++j)
    if (scores[j] > scores[best]) best = j;
  return int64_t(best);
}

}  // namespace orthokit::bench
