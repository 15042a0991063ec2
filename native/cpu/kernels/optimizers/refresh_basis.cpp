#include "ops/optimizers/refresh_basis.h"

#include "cpu/kernels/dense/shared/dense.h"
#include "cpu/kernels/optimizers/shared/step.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Vector v less its part along orthonormal columns.
static void make_orthogonal(DenseVector<double>& v, const auto& columns) {
  for (int pass = 0; pass < 2; ++pass) {
    const DenseVector<double> along = columns.transpose() * v;
    v.noalias() -= columns * along;
  }
}

// The axis of which most is left beside orthonormal columns.
static DenseVector<double> axis_beside(const auto& columns) {
  DenseVector<double> left = DenseVector<double>::Ones(columns.rows());
  if (columns.cols() > 0) left -= columns.rowwise().squaredNorm();
  const double near = kNearLargest * left.maxCoeff();
  int64_t i = 0;
  while (left[i] < near) ++i;
  return DenseVector<double>::Unit(columns.rows(), i);
}

// Columns by falling norm, at right angles but for rounding, made orthonormal; axes stand in for
// those that are as good as 0.
static void make_orthonormal(DenseMatrix<double>& x) {
  double largest = 0;
  for (int64_t j = 0; j < x.cols(); ++j) {
    const auto before = x.leftCols(j);
    DenseVector<double> v = x.col(j);
    make_orthogonal(v, before);
    if (j == 0) largest = v.norm();
    if (!(v.norm() > RefreshBasis::kLeastSingular * largest)) {
      v = axis_beside(before);
      make_orthogonal(v, before);
    }
    x.col(j) = v / v.norm();
  }
}

// The axis that falling eigenvalues of a Gram matrix come by is that of rising ones of its
// opposite, where equal ones, such as those of zeros, keep their order.
template <class T>
static void refresh(const RefreshBasis& op, int64_t index) {
  const Projection p = op.projection();
  const auto x = matrix_map<T>(op.x, index);
  T* out = op.basis.as<T>() + index * p.length() * p.vectors();
  const double largest = largest_size<T>(x);
  if (!std::isfinite(largest)) {
    std::fill_n(out, p.length() * p.vectors(), std::numeric_limits<T>::quiet_NaN());
    return;
  }
  const DenseMatrix<double> scaled = x.template cast<double>() * power_to_unit_of<double>(largest);
  DenseMatrix<double> gram, vectors;
  if (op.solves_left())
    gram.noalias() = -scaled * scaled.transpose();
  else
    gram.noalias() = -scaled.transpose() * scaled;
  DenseVector<double> values;
  vectors.resize(gram.rows(), gram.rows());
  const auto each = [](int64_t count, const auto& f) {
    for (int64_t i = 0; i < count; ++i) f(i);
  };
  if (!eigensystem<double>(gram, values, vectors.data(), each)) return;
  if (p.is_longer()) {
    DenseMatrix<double> longer;
    if (p.is_left)
      longer.noalias() = scaled * vectors;
    else
      longer.noalias() = scaled.transpose() * vectors;
    make_orthonormal(longer);
    vectors.swap(longer);
  }
  for (int64_t j = 0; j < p.vectors(); ++j) {
    const auto vector = vectors.col(j);
    const double sign = sign_of(vector);
    for (int64_t i = 0; i < p.length(); ++i) out[i * p.vectors() + j] = T(sign * vector[i]);
  }
}

void refresh_basis(const RefreshBasis& op, Stream& stream) {
  const Projection p = op.projection();
  if (is_held(op.guard) || *op.steps.as<int32_t>() % op.gap != 0 || p.vectors() == 0) return;
  visit(op.x.dtype, [&]<class T>() {
    for_rows(stream, p.of.batch, 4 * p.length() * p.vectors(), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) refresh<T>(op, i);
    });
  });
}
ORTHOKIT_KERNEL(RefreshBasis, refresh_basis);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
