// The matrix Q of the orthonormal cosine transforms: dct2 of a row x is x Qᵀ, dct3 is x Q.
#pragma once
#include <cmath>
#include <cstdint>
#include <numbers>
#include <vector>

namespace orthokit::bench {

class Cosines {
 public:
  explicit Cosines(int64_t n) : n_(n), cosines_(size_t(4 * n)) {
    for (int64_t t = 0; t < 4 * n; ++t)
      cosines_[size_t(t)] = std::cos(std::numbers::pi * double(t) / (2 * double(n)));
  }
  double operator()(int64_t i, int64_t j) const {
    return std::sqrt((i == 0 ? 1.0 : 2.0) / double(n_)) *
           cosines_[size_t(i * (2 * j + 1) % (4 * n_))];
  }

 private:
  const int64_t n_;
  std::vector<double> cosines_;
};

}  // namespace orthokit::bench
