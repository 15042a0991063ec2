// Least squares on a few atoms, in plain loops.
#pragma once
#include <cmath>
#include <vector>

namespace orthokit::bench {

// The lower factor of the matrix of elements at(i, j), row by row; NaN on the diagonal where rows
// depend.
template <class At>
std::vector<std::vector<double>> cholesky(size_t count, const At& at) {
  std::vector<std::vector<double>> factor;
  for (size_t i = 0; i < count; ++i) {
    std::vector<double> row;
    double square = at(i, i);
    for (size_t j = 0; j < i; ++j) {
      double x = at(i, j);
      for (size_t s = 0; s < j; ++s) x -= row[s] * factor[j][s];
      row.push_back(x / factor[j][j]);
      square -= row[j] * row[j];
    }
    row.push_back(std::sqrt(square));
    factor.push_back(row);
  }
  return factor;
}

inline std::vector<double> solved(const std::vector<std::vector<double>>& factor,
                                  std::vector<double> x) {
  const size_t count = factor.size();
  for (size_t i = 0; i < count; ++i) {
    for (size_t s = 0; s < i; ++s) x[i] -= factor[i][s] * x[s];
    x[i] /= factor[i][i];
  }
  for (size_t i = count; i-- > 0;) {
    for (size_t s = i + 1; s < count; ++s) x[i] -= factor[s][i] * x[s];
    x[i] /= factor[i][i];
  }
  return x;
}

// Where the largest is; the first of equals.
inline int64_t highest(const std::vector<double>& scores) {
  size_t best = 0;
  for (size_t j = 1; j < scores.size(); ++j)
    if (scores[j] > scores[best]) best = j;
  return int64_t(best);
}

}  // namespace orthokit::bench
