#include "ops/dense/cholesky.h"

#include <cmath>

#include "cpu/kernels/dense/shared/dense.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {
namespace {

template <class T>
class Factorization {
 public:
  Factorization(T* a, int64_t n, double rank_tolerance) : a_(a), n_(n) {
    double largest = 0;
    for (int64_t i = 0; i < n; ++i) largest = std::max(largest, double(row(i)[i]));
    least_ = T(rank_tolerance * largest);
    is_semidefinite_ = rank_tolerance > 0;
  }

  // 0, or the order of the first minor that is not positive.
  int32_t run(const EachPart& each) {
    for (int64_t first = 0; first < n_; first += kDenseBlock) {
      const int64_t end = std::min(n_, first + kDenseBlock);
      for (int64_t i = first; i < end; ++i)
        if (!factor_row(first, i, end)) return int32_t(i + 1);
      in_parts(each, n_ - end, kDenseBlock, [&](int64_t begin, int64_t size) {
        for (int64_t i = end + begin; i < end + begin + size; ++i) factor_row(first, i, end);
      });
      const int64_t tiles = (n_ - end + kDenseTile - 1) / kDenseTile;
      each(tiles * (tiles + 1) / 2, [&](int64_t tile) {
        int64_t i = 0;
        while (tile > i) tile -= ++i;
        subtract(first, end, end + i * kDenseTile, end + tile * kDenseTile);
      });
    }
    return 0;
  }

 private:
  T* row(int64_t i) const { return a_ + i * n_; }

  // Columns first … end − 1 of row i, of which those before `first` have been subtracted. False
  // where the pivot is not positive.
  bool factor_row(int64_t first, int64_t i, int64_t end) {
    T* own = row(i);
    for (int64_t j = first; j < std::min(i, end); ++j) {
      const T* other = row(j);
      own[j] = other[j] == 0 ? T(0) : (own[j] - dot(own, other, first, j)) / other[j];
    }
    if (i >= end) return true;
    const T pivot = own[i] - dot(own, own, first, i);
    const bool is_zero = is_semidefinite_ && pivot <= least_;
    if (!is_zero && !(pivot > 0 && pivot <= std::numeric_limits<T>::max())) return false;
    own[i] = is_zero ? T(0) : std::sqrt(pivot);
    return true;
  }
  static T dot(const T* x, const T* y, int64_t begin, int64_t end) {
    using Row = eigen::Map<const eigen::Matrix<T, 1, eigen::Dynamic>>;
    return Row(x + begin, end - begin).dot(Row(y + begin, end - begin));
  }
  // A tile of what is left, at row i and column j.
  void subtract(int64_t first, int64_t end, int64_t i, int64_t j) const {
    product<T>(false, true, std::min(kDenseTile, n_ - i), std::min(kDenseTile, n_ - j), end - first,
               T(-1), row(i) + first, n_, row(j) + first, n_, T(1), row(i) + j, n_);
  }

  T* a_;
  int64_t n_;
  T least_;
  bool is_semidefinite_;
};

template <class T>
void run(const Cholesky& op, Stream& stream) {
  const auto [batch, n, columns] = matrices(op.gram);
  for_matrices(stream, batch, n, n, [&, n = n](int64_t index, const EachPart& each) {
    const T* from = op.gram.as<T>() + index * n * n;
    T* to = op.factor.as<T>() + index * n * n;
    for (int64_t i = 0; i < n; ++i) {
      if (to != from) std::copy_n(from + i * n, i + 1, to + i * n);
      std::fill_n(to + i * n + i + 1, n - i - 1, T(0));
    }
    const int32_t info = Factorization<T>(to, n, op.rank_tolerance).run(each);
    if (info != 0) {
      std::fill_n(to, n * n, std::numeric_limits<T>::quiet_NaN());
    } else if (n > kDenseBlock) {
      // Tiles on the diagonal reach above it.
      for (int64_t i = 0; i < n; ++i) std::fill_n(to + i * n + i + 1, n - i - 1, T(0));
    }
    op.info.as<int32_t>()[index] = info;
  });
}

}  // namespace

void cholesky(const Cholesky& op, Stream& stream) {
  visit(op.gram.dtype, [&]<class T>() { run<T>(op, stream); });
}
ORTHOKIT_KERNEL(Cholesky, cholesky);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
