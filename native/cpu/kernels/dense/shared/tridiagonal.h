// Large symmetric matrices made tridiagonal, in products of matrices for half of the work.
#pragma once
#include "cpu/kernels/dense/shared/dense.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// A = Q T Qᵀ. Q is a product of reflections: below the diagonal of A stand their vectors, the first
// element of each, 1, on the subdiagonal.
template <class T>
struct Tridiagonal {
  DenseVector<T> diagonal, below, factors;
};

// Of the lower half of a, which holds the reflections then: a block of columns after the other,
// whose reflections meet what is right of them in one product each way (Dongarra, Sorensen and
// Hammarling 1989; LAPACK's sytrd). The upper half is not read, and may change.
template <class T>
Tridiagonal<T> to_tridiagonal(eigen::Ref<DenseMatrix<T>> a, const EachPart& each) {
  constexpr int64_t kBlock = 32;
  const int64_t n = a.rows(), stride = a.outerStride();
  Tridiagonal<T> result{DenseVector<T>(n), DenseVector<T>(n - 1), DenseVector<T>(n - 1)};
  auto& [diagonal, below, factors] = result;
  DenseMatrix<T> images(n, kBlock);  // w of a − v·wᵀ − w·vᵀ, by columns
  for (int64_t first = 0; first < n - 1; first += kBlock) {
    const int64_t size = std::min(kBlock, n - 1 - first);
    for (int64_t j = 0; j < size; ++j) {
      const int64_t i = first + j, rest = n - i - 1;
      auto column = a.col(i).tail(rest + 1);
      column.noalias() -= a.block(i, first, rest + 1, j) * images.row(i).head(j).transpose();
      column.noalias() -= images.block(i, 0, rest + 1, j) * a.row(i).segment(first, j).transpose();
      diagonal[i] = column[0];
      auto vector = a.col(i).tail(rest);
      vector.makeHouseholderInPlace(factors[i], below[i]);
      vector[0] = 1;
      auto image = images.col(j).tail(rest);
      image.noalias() =
          a.bottomRightCorner(rest, rest).template selfadjointView<eigen::Lower>() * vector;
      const auto vectors = a.block(i + 1, first, rest, j), before = images.block(i + 1, 0, rest, j);
      const DenseVector<T> own = before.transpose() * vector, other = vectors.transpose() * vector;
      image.noalias() -= vectors * own;
      image.noalias() -= before * other;
      image *= factors[i];
      image -= (factors[i] * image.dot(vector) / 2) * vector;
    }
    const int64_t after = first + size;
    in_parts(each, n - after, kDenseTile, [&](int64_t begin, int64_t width) {
      const int64_t at = after + begin;
      T* to = &a(at, at);
      product<T>(true, false, width, n - at, size, T(-1), &images(at, 0), n, &a(at, first), stride,
                 T(1), to, stride);
      product<T>(true, false, width, n - at, size, T(-1), &a(at, first), stride, &images(at, 0), n,
                 T(1), to, stride);
    });
  }
  diagonal[n - 1] = a(n - 1, n - 1);
  return result;
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
