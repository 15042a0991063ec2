// Matrices of a batch, as Eigen sees them, and the blocks of a factorization.
#pragma once
#include <functional>
#include <limits>

#include "core/small_dense.h"
#include "cpu/chunks.h"
#include "cpu/product.h"
#include "ops/dense/shared/dense.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T>
using DenseMatrix = eigen::Matrix<T, eigen::Dynamic, eigen::Dynamic>;
template <class T>
using RowMajorMatrix = eigen::Matrix<T, eigen::Dynamic, eigen::Dynamic, eigen::RowMajor>;
template <class T>
using RowMajorMap = eigen::Map<RowMajorMatrix<T>, 0, eigen::OuterStride<>>;
template <class T>
using RowMap = eigen::Map<eigen::Matrix<T, 1, eigen::Dynamic>>;

template <class T>
RowMajorMap<T> matrix_map(const View& batch, int64_t index) {
  const View one = matrix_of(batch, index);
  return {one.as<T>(), one.shape[0], one.shape[1],
          eigen::OuterStride<>(std::max<int64_t>(1, one.shape[1]))};
}

template <class T>
double largest_size(const RowMajorMap<T>& x) {
  double largest = 0;
  for (int64_t i = 0; i < x.rows(); ++i)
    for (int64_t j = 0; j < x.cols(); ++j) {
      const double size = std::abs(double(x(i, j)));
      if (!(size <= largest)) largest = size;  // NaN stays
      if (std::isnan(largest)) return largest;
    }
  return largest;
}

// 1 or −1, by which a vector's sign is as the operations say.
template <class Vector>
typename Vector::Scalar sign_of(const Vector& x) {
  using T = typename Vector::Scalar;
  T largest = 0;
  for (int64_t i = 0; i < x.size(); ++i) largest = std::max(largest, std::abs(x[i]));
  const T near = T(kNearLargest) * largest;
  for (int64_t i = 0; i < x.size(); ++i)
    if (std::abs(x[i]) >= near) return x[i] < 0 ? T(-1) : T(1);
  return 1;
}

// each(count, f) calls f(i) for i < count, on whatever threads there are.
using EachPart = std::function<void(int64_t, const std::function<void(int64_t)>&)>;

// Eigenvalues in ascending order and, where `vectors` is there, eigenvectors of the symmetric
// matrix whose lower half is x: one after the other, and they may replace x. False where it does
// not converge. kernels/dense/eigh.cpp has it.
template <class T>
using DenseVector = eigen::Matrix<T, eigen::Dynamic, 1>;
template <class T>
using DenseRef = eigen::Ref<const DenseMatrix<T>>;
template <class T>
bool eigensystem(const DenseRef<T>& x, DenseVector<T>& values, T* vectors, const EachPart& each);

inline constexpr int64_t kDenseBlock = 64;    // columns that are factored at once
inline constexpr int64_t kDenseTile = 128;    // of what is left, a side
inline constexpr int64_t kManyThreads = 192;  // a side from which threads share one matrix

// each(count, f) calls f(i) for i < count.
using EachPart = std::function<void(int64_t count, const std::function<void(int64_t)>& f)>;

// Each matrix of a batch: small ones by one thread each, tiny ones in groups; large ones after each
// other, by all threads. body(index, each), where each is an EachPart.
template <class Body>
void for_matrices(Stream& stream, int64_t batch, int64_t rows, int64_t columns, Body&& body) {
  if (std::max(rows, columns) >= kManyThreads) {
    const EachPart each = [&](int64_t count, const auto& f) { stream.parallel(count, f); };
    for (int64_t i = 0; i < batch; ++i) body(i, each);
    return;
  }
  const EachPart each = [](int64_t count, const auto& f) {
    for (int64_t i = 0; i < count; ++i) f(i);
  };
  for_rows(stream, batch, rows * columns, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) body(i, each);
  });
}

// f(begin, size) for parts of `total`, each of `part`.
template <class F>
void in_parts(const EachPart& each, int64_t total, int64_t part, F&& f) {
  each((total + part - 1) / part,
       [&](int64_t i) { f(i * part, std::min(part, total - i * part)); });
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
