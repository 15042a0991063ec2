#include "ops/products/redo_steps.h"

#include <utility>

#include "cpu/chunks.h"
#include "cpu/convert.h"
#include "cpu/kernels/products/shared/groups.h"
#include "cpu/product.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {
namespace {

constexpr int64_t kRedoRows = 64;  // of a product that one thread computes

// One matrix after the other, which all threads share.
template <class T>
class Redo {
 public:
  Redo(const RedoSteps& op, Stream& stream) : op_(op), stream_(stream), s_(matrices(op.x)) {
    wide_ = s_.rows <= s_.columns, n_ = std::min(s_.rows, s_.columns), size_ = s_.rows * s_.columns;
    y_ = stream.scratch<T>(size_), next_ = stream.scratch<T>(size_);
    gram_ = stream.scratch<T>(n_ * n_), poly_ = stream.scratch<T>(n_ * n_);
  }

  // False if x is not finite.
  bool run(int64_t matrix) {
    const View x = matrix_of(op_.x, matrix), out = matrix_of(op_.out, matrix);
    load_to(x);
    if (!std::all_of(y_, y_ + size_, [](T v) { return std::isfinite(v); })) return false;
    for (int64_t i = 0; i < op_.coefficients.count; i += 3) step(&op_.coefficients[i]);
    visit_storage(out.dtype, [&]<class S>() {
      for_rows(stream_, size_, 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) out.as<S>()[i] = convert<S>(y_[i]);
      });
    });
    return true;
  }

 private:
  void load_to(const View& x) {
    for_rows(stream_, size_, 1, [&](int64_t begin, int64_t end) {
      const T* from = load(x, begin, end - begin, y_ + begin);
      if (from != y_ + begin) std::copy_n(from, end - begin, y_ + begin);
    });
  }
  void step(const double* p) {
    const int64_t k = wide_ ? s_.columns : s_.rows;
    multiply(!wide_, wide_, n_, n_, k, T(1), y_, s_.columns, y_, s_.columns, T(0), gram_);
    std::copy_n(gram_, n_ * n_, poly_);
    multiply(false, false, n_, n_, n_, T(p[2]), gram_, n_, gram_, n_, T(p[1]), poly_);
    for (int64_t i = 0; i < n_; ++i) poly_[i * n_ + i] += T(p[0]);
    if (wide_)
      multiply(false, false, n_, k, n_, T(1), poly_, n_, y_, k, T(0), next_);
    else
      multiply(false, false, k, n_, n_, T(1), y_, n_, poly_, n_, T(0), next_);
    std::swap(y_, next_);
  }
  void multiply(bool ta, bool tb, int64_t m, int64_t n, int64_t k, T alpha, const T* a, int64_t lda,
                const T* b, int64_t ldb, T beta, T* c) {
    stream_.parallel(parts_of(m, kRedoRows), [=](int64_t part) {
      const int64_t i = part * kRedoRows;
      product<T>(ta, tb, std::min(kRedoRows, m - i), n, k, alpha, a + (ta ? i : i * lda), lda, b,
                 ldb, beta, c + i * n, n);
    });
  }

  const RedoSteps& op_;
  Stream& stream_;
  const Matrices s_;
  bool wide_;
  int64_t n_, size_;
  T *y_, *next_, *gram_, *poly_;
};

template <class T>
void redo(const RedoSteps& op, Stream& stream) {
  const double most = op.most();
  const auto is_of_use = [&](int64_t i) { return op.norms.as<double>()[i] <= most; };
  int64_t i = 0, redone = 0;
  while (i < op.x.shape[0] && is_of_use(i)) ++i;
  if (i == op.x.shape[0]) return;
  Redo<T> redo(op, stream);
  for (; i < op.x.shape[0]; ++i)
    if (!is_of_use(i) && redo.run(i)) ++redone;
  if (op.count) *op.count.as<double>() += double(redone);
}

}  // namespace

void redo_steps(const RedoSteps& op, Stream& stream) {
  if (op.x.size() == 0) return;
  if (op.x.dtype == Dtype::kF64) return redo<double>(op, stream);
  redo<float>(op, stream);
}
ORTHOKIT_KERNEL(RedoSteps, redo_steps);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
