#include "ops/dense/qr.h"

#include <cmath>

#include "cpu/kernels/dense/shared/dense.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {
namespace {

template <class T>
void factor(const Qr& op, int64_t index) {
  const auto x = matrix_map<T>(op.matrix, index);
  auto q = matrix_map<T>(op.q, index), r = matrix_map<T>(op.r, index);
  const double largest = largest_size<T>(x);
  if (!std::isfinite(largest)) {
    q.setConstant(std::numeric_limits<T>::quiet_NaN());
    r.setConstant(std::numeric_limits<T>::quiet_NaN());
    return;
  }
  const int64_t k = q.cols();
  const T power = T(power_to_unit_of<T>(largest));
  const eigen::HouseholderQR<DenseMatrix<T>> qr(x * power);
  DenseMatrix<T> columns = DenseMatrix<T>::Identity(q.rows(), k);
  columns.applyOnTheLeft(qr.householderQ());
  r = qr.matrixQR().topRows(k).template triangularView<eigen::Upper>();
  for (int64_t i = 0; i < k; ++i) {
    const T sign = r(i, i) < 0 ? T(-1) : T(1);
    columns.col(i) *= sign;
    for (int64_t j = i; j < r.cols(); ++j) r(i, j) *= sign / power;
  }
  q = columns;
}

template <class T>
void run(const Qr& op, Stream& stream) {
  const auto [batch, rows, columns] = matrices(op.matrix);
  if (op.matrix.size() == 0) return;
  for_rows(stream, batch, rows * columns, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) factor<T>(op, i);
  });
}

}  // namespace

void qr(const Qr& op, Stream& stream) {
  visit(op.matrix.dtype, [&]<class T>() { run<T>(op, stream); });
}
ORTHOKIT_KERNEL(Qr, qr);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
