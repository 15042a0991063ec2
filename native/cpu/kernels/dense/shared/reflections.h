// Householder reflections, many at a time, in products of matrices.
#pragma once
#include "cpu/kernels/dense/shared/dense.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

inline constexpr int64_t kReflections = 32;  // at once

// H = H₀·H₁·… = I − Vᵀ·T·V of reflections I − factorⱼ·vⱼ·vⱼᵀ, vⱼ the rows of V and T an upper
// triangle (Schreiber and Van Loan 1989).
template <class T>
class Reflections {
 public:
  // At most kReflections. vⱼ begins `stride` elements after the one before it; its elements before
  // the j-th count as 0, and that as 1.
  Reflections(const T* from, int64_t stride, int64_t count, int64_t length, const T* factors)
      : vectors_(count, length), triangle_(count, count) {
    for (int64_t j = 0; j < count; ++j) {
      T* own = vectors_.data() + j * length;
      std::fill_n(own, j, T(0));
      own[j] = 1;
      std::copy_n(from + j * stride + j + 1, length - j - 1, own + j + 1);
    }
    RowMajorMatrix<T> products(count, count);
    product<T>(false, true, count, count, length, T(1), vectors_.data(), length, vectors_.data(),
               length, T(0), products.data(), count);
    triangle_.setZero();
    for (int64_t j = 0; j < count; ++j) {
      for (int64_t i = 0; i < j; ++i) {
        T sum = 0;
        for (int64_t k = i; k < j; ++k) sum += triangle_(i, k) * products(k, j);
        triangle_(i, j) = -factors[j] * sum;
      }
      triangle_(j, j) = factors[j];
    }
  }

  // Each of `rows` rows x, `stride` elements apart, becomes H·x, or with `is_transposed` Hᵀ·x.
  void apply(const EachPart& each, T* x, int64_t stride, int64_t rows, bool is_transposed) const {
    const int64_t count = vectors_.rows(), length = vectors_.cols();
    in_parts(each, rows, kDenseTile, [&](int64_t begin, int64_t size) {
      T images[kDenseTile * kReflections], turned[kDenseTile * kReflections];
      T* own = x + begin * stride;
      product<T>(false, true, size, count, length, T(1), own, stride, vectors_.data(), length, T(0),
                 images, count);
      product<T>(false, !is_transposed, size, count, count, T(1), images, count, triangle_.data(),
                 count, T(0), turned, count);
      product<T>(false, false, size, length, count, T(-1), turned, count, vectors_.data(), length,
                 T(1), own, stride);
    });
  }

 private:
  RowMajorMatrix<T> vectors_, triangle_;
};

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
