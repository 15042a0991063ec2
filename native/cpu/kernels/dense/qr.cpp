#include "ops/dense/qr.h"

#include <cmath>

#include "cpu/kernels/dense/shared/reflections.h"
#include "cpu/transpose.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {
namespace {

// Householder reflections of blocks of columns, which meet the other columns in products of
// matrices (Golub and Van Loan, Matrix Computations, 5.2.3). Columns stand one after the other.
template <class T>
class Reflected {
 public:
  // A turned: row j is column j of the matrix. It holds the reflections then, and R.
  explicit Reflected(RowMajorMatrix<T>& a)
      : a_(a), length_(a.cols()), count_(std::min(a.rows(), a.cols())), factors_(count_) {}

  void factor(const EachPart& each) {
    for (int64_t first = 0; first < count_; first += kReflections) {
      const int64_t end = std::min(count_, first + kReflections);
      for (int64_t j = first; j < end; ++j) {
        T head;
        a_.row(j).tail(length_ - j).makeHouseholderInPlace(factors_[j], head);
        a_(j, j) = head;
        for (int64_t i = j + 1; i < end; ++i) reflect(j, a_.row(i));
      }
      if (end < a_.rows())
        block(first, end).apply(each, &a_(end, first), length_, a_.rows() - end, true);
    }
  }

  // Columns of Q, one after the other.
  RowMajorMatrix<T> columns(const EachPart& each) const {
    RowMajorMatrix<T> q = RowMajorMatrix<T>::Identity(count_, length_);
    if (count_ <= kFew) {
      for (int64_t j = count_ - 1; j >= 0; --j)
        for (int64_t i = j; i < count_; ++i) reflect(j, q.row(i));
      return q;
    }
    for (int64_t first = (count_ - 1) / kReflections * kReflections; first >= 0;
         first -= kReflections)
      block(first, std::min(count_, first + kReflections))
          .apply(each, &q(first, first), length_, count_ - first, false);
    return q;
  }

 private:
  static constexpr int64_t kFew = 24;  // reflections, of which each is quicker by itself

  Reflections<T> block(int64_t first, int64_t end) const {
    return {&a_(first, first), length_, end - first, length_ - first, &factors_[first]};
  }
  template <class Row>
  void reflect(int64_t j, Row&& x) const {
    const auto rest = a_.row(j).tail(length_ - j - 1);
    auto own = x.tail(length_ - j - 1);
    const T share = factors_[j] * (x[j] + rest.dot(own));
    x[j] -= share;
    own -= share * rest;
  }

  RowMajorMatrix<T>& a_;
  const int64_t length_, count_;
  DenseVector<T> factors_;
};

template <class T>
void factor(const Qr& op, int64_t index, const EachPart& each) {
  const auto x = matrix_map<T>(op.matrix, index);
  auto q = matrix_map<T>(op.q, index), r = matrix_map<T>(op.r, index);
  const double largest = largest_size<T>(x);
  if (!std::isfinite(largest)) {
    q.setConstant(std::numeric_limits<T>::quiet_NaN());
    r.setConstant(std::numeric_limits<T>::quiet_NaN());
    return;
  }
  const int64_t m = x.rows(), n = x.cols(), k = q.cols();
  const T power = T(power_to_unit_of<T>(largest));
  RowMajorMatrix<T> turned(n, m);
  transpose(x.data(), n, m, n, turned.data(), m);
  turned *= power;
  Reflected<T> reflected(turned);
  reflected.factor(each);
  RowMajorMatrix<T> columns = reflected.columns(each);
  transpose(turned.data(), m, n, k, r.data(), n);
  for (int64_t i = 0; i < k; ++i) {
    const T sign = r(i, i) < 0 ? T(-1) : T(1);
    columns.row(i) *= sign;
    r.row(i).head(i).setZero();
    r.row(i).tail(n - i) *= sign / power;
  }
  transpose(columns.data(), m, k, m, q.data(), k);
}

template <class T>
void run(const Qr& op, Stream& stream) {
  const auto [batch, rows, columns] = matrices(op.matrix);
  if (op.matrix.size() == 0) return;
  for_matrices(stream, batch, rows, columns,
               [&](int64_t index, const EachPart& each) { factor<T>(op, index, each); });
}

}  // namespace

void qr(const Qr& op, Stream& stream) {
  visit(op.matrix.dtype, [&]<class T>() { run<T>(op, stream); });
}
ORTHOKIT_KERNEL(Qr, qr);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
