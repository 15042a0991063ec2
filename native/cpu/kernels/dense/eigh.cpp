#include "ops/dense/eigh.h"

#include <cmath>

#include "cpu/kernels/dense/shared/dense.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T>
bool eigensystem(const DenseRef<T>& x, DenseVector<T>& values, T* vectors) {
  const eigen::SelfAdjointEigenSolver<DenseMatrix<T>> solver(
      x, vectors ? eigen::ComputeEigenvectors : eigen::EigenvaluesOnly);
  if (solver.info() != eigen::Success) return false;
  values = solver.eigenvalues();
  if (vectors) eigen::Map<DenseMatrix<T>>(vectors, x.rows(), x.rows()) = solver.eigenvectors();
  return true;
}
template bool eigensystem<float>(const DenseRef<float>&, DenseVector<float>&, float*);
template bool eigensystem<double>(const DenseRef<double>&, DenseVector<double>&, double*);

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
int32_t solve(const Eigh& op, int64_t index) {
  const auto x = matrix_map<T>(op.matrix, index);
  if (!is_finite<T>(x)) return kDenseNotFinite;
  DenseVector<T> values;
  DenseMatrix<T> vectors(op.vectors ? x.rows() : 0, x.rows());
  if (!eigensystem<T>(x, values, op.vectors ? vectors.data() : nullptr)) return kDenseNotConverged;
  std::copy_n(values.data(), x.rows(), op.values.as<T>() + index * x.rows());
  if (op.vectors) {
    auto out = matrix_map<T>(op.vectors, index);
    for (int64_t j = 0; j < x.rows(); ++j) {
      const auto vector = vectors.col(j);
      const T norm = T(std::sqrt(vector.template cast<double>().squaredNorm()));
      out.col(j) = sign_of(vector) * vector / norm;
    }
  }
  return 0;
}

template <class T>
void run(const Eigh& op, Stream& stream) {
  constexpr T kNaN = std::numeric_limits<T>::quiet_NaN();
  const auto [batch, n, columns] = matrices(op.matrix);
  for_rows(stream, batch, 4 * n * n, [&, n = n](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int32_t info = n == 0 ? 0 : solve<T>(op, i);
      if (info != 0) {
        std::fill_n(op.values.as<T>() + i * n, n, kNaN);
        if (op.vectors) std::fill_n(op.vectors.as<T>() + i * n * n, n * n, kNaN);
      }
      op.info.as<int32_t>()[i] = info;
    }
  });
}

}  // namespace

void eigh(const Eigh& op, Stream& stream) {
  visit(op.matrix.dtype, [&]<class T>() { run<T>(op, stream); });
}
ORTHOKIT_KERNEL(Eigh, eigh);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
