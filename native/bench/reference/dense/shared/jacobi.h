// Cyclic Jacobi: eigenvalues and eigenvectors of a symmetric matrix.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

namespace orthokit::bench {

// V's columns, A's diagonal, of a symmetric A and V = I of n rows.
inline void rotate_to_diagonal(std::vector<double>& a, std::vector<double>& v, size_t n) {
  double largest = 0;
  for (double x : a) largest = std::max(largest, std::abs(x));
  bool is_done = false;
  for (int sweep = 0; sweep < 30 && !is_done; ++sweep) {
    is_done = true;
    for (size_t p = 0; p < n; ++p)
      for (size_t q = p + 1; q < n; ++q) {
        if (std::abs(a[p * n + q]) <= 0x1p-60 * largest) continue;
        is_done = false;
        const double theta = (a[q * n + q] - a[p * n + p]) / (2 * a[p * n + q]);
        const double t = (theta < 0 ? -1 : 1) / (std::abs(theta) + std::hypot(1, theta));
        const double c = 1 / std::hypot(1, t), s = t * c, half = s / (1 + c);
        // c x − s y and s x + c y, whose rounding is small where the angle is (Rutishauser 1966).
        const auto turn = [=](double& x, double& y) {
          const double old = x;
          x -= s * (y + half * old), y += s * (old - half * y);
        };
        for (size_t j = 0; j < n; ++j) turn(a[p * n + j], a[q * n + j]);
        for (auto* m : {&a, &v})
          for (size_t i = 0; i < n; ++i) turn((*m)[i * n + p], (*m)[i * n + q]);
        a[p * n + q] = a[q * n + p] = 0;
      }
  }
}

}  // namespace orthokit::bench
