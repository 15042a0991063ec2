#include "ops/dense/eigh.h"

#include <cmath>

#include "cpu/kernels/dense/shared/conquer.h"
#include "cpu/kernels/dense/shared/reflections.h"
#include "cpu/kernels/dense/shared/tridiagonal.h"
#include "cpu/vectors.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

namespace {

constexpr int64_t kLarge = 64;      // a side from which products of matrices pay
constexpr int64_t kMostSteps = 30;  // of QR, for each value
constexpr int64_t kPadding = 16;    // elements: columns 4096 bytes apart would share cache lines

// The end of the steps: a block in the middle of T that no zero divides, from `first` to `last`.
struct Block {
  int64_t first, last;
};

// A step of the QR algorithm by Wilkinson's shift (Golub and Van Loan, Matrix Computations, 8.3.2).
template <class T>
void step(const Block& block, DenseVector<T>& d, DenseVector<T>& e) {
  const auto [first, last] = block;
  const T half = (d[last - 1] - d[last]) / 2, end = e[last - 1];
  T shift = d[last];
  if (half == 0)
    shift -= std::abs(end);
  else  // end² may be 0
    shift -= end / ((half + std::copysign(std::hypot(half, end), half)) / end);
  T x = d[first] - shift, z = e[first];
  for (int64_t k = first; k < last && z != 0; ++k) {
    eigen::JacobiRotation<T> rotation;
    rotation.makeGivens(x, z);
    const T c = rotation.c(), s = rotation.s();
    const T upper = s * d[k] + c * e[k], lower = s * e[k] + c * d[k + 1];
    d[k] = c * (c * d[k] - s * e[k]) - s * (c * e[k] - s * d[k + 1]);
    d[k + 1] = s * upper + c * lower;
    e[k] = c * upper - s * lower;
    if (k > first) e[k - 1] = c * e[k - 1] - s * z;
    x = e[k];
    if (k < last - 1) {
      z = -s * e[k + 1];
      e[k + 1] *= c;
    }
  }
}

// Eigenvalues of a tridiagonal matrix whose largest element is near 1, in d, in no order. False
// where it does not converge.
template <class T>
bool diagonalize(DenseVector<T>& d, DenseVector<T>& e) {
  constexpr T kEpsilon = std::numeric_limits<T>::epsilon();
  const int64_t n = d.size();
  int64_t left = kMostSteps * n;
  for (int64_t first = 0, last = n - 1; last > 0;) {
    for (int64_t i = first; i < last; ++i) {
      const T share = e[i] / kEpsilon;
      if (share * share <= std::abs(d[i]) + std::abs(d[i + 1])) e[i] = 0;
    }
    while (last > 0 && e[last - 1] == 0) --last;
    if (last == 0) break;
    if (left-- == 0) return false;
    first = last - 1;
    while (first > 0 && e[first - 1] != 0) --first;
    step<T>({first, last}, d, e);
  }
  return true;
}

// The same of a matrix of kLarge rows or more.
template <class T>
bool large_eigensystem(const DenseRef<T>& x, DenseVector<T>& values, T* vectors,
                       const EachPart& each) {
  const int64_t n = x.rows();
  DenseMatrix<T> padded(n + kPadding, n);
  eigen::Ref<DenseMatrix<T>> own = padded.topRows(n);
  own = x;
  T largest = 0;
  for (int64_t j = 0; j < n; ++j)
    largest = std::max(largest, own.col(j).tail(n - j).cwiseAbs().maxCoeff());
  if (largest == 0) largest = 1;
  own /= largest;
  auto [diagonal, below, factors] = to_tridiagonal<T>(own, each);
  if (!(vectors ? Conquest<T>(diagonal, below, vectors, each).run(diagonal)
                : diagonalize<T>(diagonal, below)))
    return false;
  for (int64_t i = 0; i < n; ++i) {
    int64_t least = 0;
    diagonal.tail(n - i).minCoeff(&least);
    if (least == 0) continue;
    std::swap(diagonal[i], diagonal[i + least]);
    if (vectors) {
      eigen::Map<DenseMatrix<T>> out(vectors, n, n);
      out.col(i).swap(out.col(i + least));
    }
  }
  values = diagonal * largest;
  // Eigenvectors of T become those of A = Q T Qᵀ.
  for (int64_t first = (n - 2) / kReflections * kReflections; vectors && first >= 0;
       first -= kReflections) {
    const int64_t left = n - 1 - first;
    const Reflections<T> block(&own(first + 1, first), padded.rows(), std::min(kReflections, left),
                               left, factors.data() + first);
    block.apply(each, vectors + first + 1, n, n, false);
  }
  return true;
}

}  // namespace

template <class T>
bool eigensystem(const DenseRef<T>& x, DenseVector<T>& values, T* vectors, const EachPart& each) {
  // Kernels for processors without AVX2 are kept small.
  if constexpr (kVectorBytes > 16) {
    if (x.rows() >= kLarge) return large_eigensystem<T>(x, values, vectors, each);
  }
  const eigen::SelfAdjointEigenSolver<DenseMatrix<T>> solver(
      x, vectors ? eigen::ComputeEigenvectors : eigen::EigenvaluesOnly);
  if (solver.info() != eigen::Success) return false;
  values = solver.eigenvalues();
  if (vectors) eigen::Map<DenseMatrix<T>>(vectors, x.rows(), x.rows()) = solver.eigenvectors();
  return true;
}
template bool eigensystem<float>(const DenseRef<float>&, DenseVector<float>&, float*,
                                 const EachPart&);
template bool eigensystem<double>(const DenseRef<double>&, DenseVector<double>&, double*,
                                  const EachPart&);

namespace {

// The numbers that count: the lower half.
template <class T>
bool is_finite(const RowMajorMap<T>& x) {
  for (int64_t i = 0; i < x.rows(); ++i)
    for (int64_t j = 0; j <= i; ++j)
      if (!std::isfinite(x(i, j))) return false;
  return true;
}

// 0, or why there is no result.
template <class T>
int32_t solve(const Eigh& op, int64_t index, const EachPart& each) {
  const auto x = matrix_map<T>(op.matrix, index);
  if (!is_finite<T>(x)) return kDenseNotFinite;
  DenseVector<T> values;
  DenseMatrix<T> vectors(op.vectors ? x.rows() : 0, x.rows());
  if (!eigensystem<T>(x, values, op.vectors ? vectors.data() : nullptr, each))
    return kDenseNotConverged;
  std::copy_n(values.data(), x.rows(), op.values.as<T>() + index * x.rows());
  if (!op.vectors) return 0;
  for (int64_t j = 0; j < x.rows(); ++j) {
    auto vector = vectors.col(j);
    const T norm = T(std::sqrt(vector.template cast<double>().squaredNorm()));
    vector *= sign_of(vector) / norm;
  }
  auto out = matrix_map<T>(op.vectors, index);
  constexpr int64_t kColumns = 8;  // at once: lines of a cache that may be of one set
  for (int64_t j = 0; j < x.rows(); j += kColumns) {
    const int64_t size = std::min(kColumns, x.rows() - j);
    for (int64_t i = 0; i < x.rows(); ++i)
      for (int64_t k = j; k < j + size; ++k) out(i, k) = vectors(i, k);
  }
  return 0;
}

template <class T>
void run(const Eigh& op, Stream& stream) {
  constexpr T kNaN = std::numeric_limits<T>::quiet_NaN();
  const auto [batch, n, columns] = matrices(op.matrix);
  for_matrices(stream, batch, n, n, [&, n = n](int64_t i, const EachPart& each) {
    const int32_t info = n == 0 ? 0 : solve<T>(op, i, each);
    if (info != 0) {
      std::fill_n(op.values.as<T>() + i * n, n, kNaN);
      if (op.vectors) std::fill_n(op.vectors.as<T>() + i * n * n, n * n, kNaN);
    }
    op.info.as<int32_t>()[i] = info;
  });
}

}  // namespace

void eigh(const Eigh& op, Stream& stream) {
  visit(op.matrix.dtype, [&]<class T>() { run<T>(op, stream); });
}
ORTHOKIT_KERNEL(Eigh, eigh);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
