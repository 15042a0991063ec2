#include "ops/optimizers/refresh_basis.h"

#include "cpu/kernels/dense/shared/dense.h"
#include "cpu/kernels/optimizers/shared/step.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

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
  if (p.is_left)
    gram.noalias() = -scaled * scaled.transpose();
  else
    gram.noalias() = -scaled.transpose() * scaled;
  DenseVector<double> values;
  if (!eigensystem<double>(gram, values, &vectors)) return;
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
    for_rows(stream, p.of.batch, 4 * p.length() * p.length(), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) refresh<T>(op, i);
    });
  });
}
ORTHOKIT_KERNEL(RefreshBasis, refresh_basis);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
