// Jacobi's rotations: eigenvectors of a symmetric matrix, singular vectors of any.
#pragma once
#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace orthokit::bench {

// The plane rotation that makes two directions orthogonal whose products with themselves are `pp`
// and `qq`, and with each other `pq`.
class PlaneRotation {
 public:
  PlaneRotation(double pp, double qq, double pq) {
    const double theta = (qq - pp) / (2 * pq);
    tangent_ = (theta < 0 ? -1 : 1) / (std::abs(theta) + std::hypot(1, theta));
    const double cosine = 1 / std::hypot(1, tangent_);
    sine_ = tangent_ * cosine, half_ = sine_ / (1 + cosine);
  }
  // c x − s y and s x + c y, whose rounding is small where the angle is (Rutishauser 1966).
  void turn(double& x, double& y) const {
    const double old = x;
    x -= sine_ * (y + half_ * old), y += sine_ * (old - half_ * y);
  }

 private:
  double tangent_, sine_, half_;
};

// Calls turn(p, q) for each pair of n, in sweeps, until it returns false for all.
template <class Turn>
void sweep_pairs(size_t n, Turn&& turn) {
  bool is_done = false;
  for (int sweep = 0; sweep < 30 && !is_done; ++sweep) {
    is_done = true;
    for (size_t p = 0; p < n; ++p)
      for (size_t q = p + 1; q < n; ++q)
        if (turn(p, q)) is_done = false;
  }
}

// V's columns, A's diagonal, of a symmetric A and V = I of n rows.
inline void rotate_to_diagonal(std::vector<double>& a, std::vector<double>& v, size_t n) {
  double largest = 0;
  for (double x : a) largest = std::max(largest, std::abs(x));
  sweep_pairs(n, [&](size_t p, size_t q) {
    if (std::abs(a[p * n + q]) <= 0x1p-60 * largest) return false;
    const PlaneRotation rotation(a[p * n + p], a[q * n + q], a[p * n + q]);
    for (size_t j = 0; j < n; ++j) rotation.turn(a[p * n + j], a[q * n + j]);
    for (auto* m : {&a, &v})
      for (size_t i = 0; i < n; ++i) rotation.turn((*m)[i * n + p], (*m)[i * n + q]);
    a[p * n + q] = a[q * n + p] = 0;
    return true;
  });
}

// X V = U Σ, of n columns X, each after the other, and V = I: X becomes U Σ, and the columns of V
// lie in rows. Returns the squares of Σ (Hestenes 1958).
inline std::vector<double> rotate_to_orthogonal(std::vector<double>& x, std::vector<double>& v,
                                                size_t n) {
  const size_t length = n == 0 ? 0 : x.size() / n;
  const auto product = [&](size_t p, size_t q) {
    long double sum = 0;
    for (size_t i = 0; i < length; ++i)
      sum += static_cast<long double>(x[p * length + i]) * x[q * length + i];
    return double(sum);
  };
  double largest = 0;
  for (size_t p = 0; p < n; ++p) largest = std::max(largest, product(p, p));
  sweep_pairs(n, [&](size_t p, size_t q) {
    const double pp = product(p, p), qq = product(q, q), pq = product(p, q);
    if (std::abs(pq) <= std::max(0x1p-60 * largest, 0x1p-54 * std::sqrt(pp) * std::sqrt(qq)))
      return false;
    const PlaneRotation rotation(pp, qq, pq);
    for (auto [m, size] : {std::pair{&x, length}, std::pair{&v, n}})
      for (size_t i = 0; i < size; ++i) rotation.turn((*m)[p * size + i], (*m)[q * size + i]);
    return true;
  });
  std::vector<double> squares(n);
  for (size_t p = 0; p < n; ++p) squares[p] = product(p, p);
  return squares;
}

}  // namespace orthokit::bench
