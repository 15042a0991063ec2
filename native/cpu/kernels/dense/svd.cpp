#include "ops/dense/svd.h"

#include <cmath>
#include <numeric>

#include "cpu/kernels/dense/shared/dense.h"
#include "ops/dense/shared/jacobi.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {
namespace {

// One-sided Jacobi: rotations of pairs of lines until all are orthogonal (Hestenes 1958; Golub and
// Van Loan, Matrix Computations, 8.6.3). Lines are the columns of the matrix, or the rows of one
// that is wide. They begin along the eigenvectors of their Gram matrix, where few rotations are
// left.
template <class T>
class Decomposition {
 public:
  Decomposition(const RowMajorMap<T>& x, T power)
      : is_wide_(x.rows() < x.cols()), count_(std::min(x.rows(), x.cols())) {
    if (is_wide_)
      lines_ = x * power;
    else
      lines_ = x.transpose() * power;
    basis_ = RowMajorMatrix<T>::Identity(count_, count_);
  }

  // True once it has converged.
  template <class Each>
  bool run(const Each& each) {
    turn_to_eigenvectors(each);
    for (int sweep = 0; sweep < kMostSweeps; ++sweep) {
      bool is_done = true;
      for (int64_t round = 0; round < rounds_of(count_); ++round) {
        std::atomic<bool> has_turned{false};
        in_parts(each, pairs_of(count_), kPairs, [&](int64_t begin, int64_t size) {
          for (int64_t i = begin; i < begin + size; ++i) {
            const auto [p, q] = pair_of(count_, round, i);
            if (q < count_ && turn(p, q)) has_turned = true;
          }
        });
        is_done = is_done && !has_turned;
      }
      if (is_done) return true;
    }
    return false;
  }

  void write(const Svd& op, int64_t index, T power) {
    std::vector<T> norms;
    for (int64_t i = 0; i < count_; ++i) {
      norms.push_back(T(std::sqrt(lines_.row(i).template cast<double>().squaredNorm())));
      if (norms.back() > T(kNoise<T>))
        lines_.row(i) /= norms.back();
      else
        lines_.row(i).setZero();
    }
    std::vector<int64_t> order(norms.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t i, int64_t j) { return norms[size_t(i)] > norms[size_t(j)]; });
    T* s = op.s.as<T>() + index * count_;
    for (int64_t j = 0; j < count_; ++j) s[j] = norms[size_t(order[size_t(j)])] / power;
    if (!op.u) return;
    for (int64_t i = 0; i < count_; ++i)
      if (norms[size_t(i)] <= T(kNoise<T>)) complete(i);
    auto u = matrix_map<T>(op.u, index), v = matrix_map<T>(op.v, index);
    for (int64_t j = 0; j < count_; ++j) {
      const auto line = lines_.row(order[size_t(j)]), other = basis_.row(order[size_t(j)]);
      const T sign = is_wide_ ? sign_of(other) : sign_of(line);
      u.col(j) = sign * (is_wide_ ? other : line).transpose();
      v.col(j) = sign * (is_wide_ ? line : other).transpose();
    }
  }

 private:
  static constexpr int64_t kPairs = 16;  // that a thread takes at once

  template <class Each>
  void turn_to_eigenvectors(const Each& each) {
    const int64_t length = lines_.cols();
    RowMajorMatrix<T> gram(count_, count_), turned(count_, length);
    in_parts(each, count_, kDenseTile, [&](int64_t begin, int64_t size) {
      blas_gemm<T>(false, true, size, count_, length, T(1), lines_.data() + begin * length, length,
                   lines_.data(), length, T(0), gram.data() + begin * count_, count_);
    });
    DenseVector<T> values;
    DenseMatrix<T> vectors;
    if (!eigensystem<T>(gram, values, &vectors)) return;
    basis_ = vectors.transpose();
    in_parts(each, count_, kDenseTile, [&](int64_t begin, int64_t size) {
      blas_gemm<T>(false, false, size, length, count_, T(1), basis_.data() + begin * count_, count_,
                   lines_.data(), length, T(0), turned.data() + begin * length, length);
    });
    lines_.swap(turned);
  }

  // Makes two lines orthogonal. Whether they were not.
  bool turn(int64_t p, int64_t q) {
    auto x = lines_.row(p), y = lines_.row(q);
    const double xx = double(x.squaredNorm()), yy = double(y.squaredNorm()), xy = double(x.dot(y));
    const double small = kOrthogonalRoundings * double(std::numeric_limits<T>::epsilon()) *
                         std::sqrt(double(lines_.cols()));
    const double norms[] = {std::sqrt(xx), std::sqrt(yy)};
    if (std::min(norms[0], norms[1]) <= kNoise<T> || !(std::abs(xy) > small * norms[0] * norms[1]))
      return false;
    const double zeta = (yy - xx) / (2 * xy),
                 tangent = (zeta < 0 ? -1 : 1) / (std::abs(zeta) + std::sqrt(1 + zeta * zeta)),
                 cosine = 1 / std::sqrt(1 + tangent * tangent), sine = tangent * cosine;
    const Rotation<T> rotation{T(sine), T(sine / (1 + cosine))};
    for (int64_t j = 0; j < lines_.cols(); ++j) rotation.turn(lines_(p, j), lines_(q, j));
    for (int64_t j = 0; j < count_; ++j) rotation.turn(basis_(p, j), basis_(q, j));
    return true;
  }

  // A line of zeros becomes a vector of length 1, orthogonal to all others that are not zero: of
  // the unit vectors, the one that lies furthest from their span, less its projection, twice.
  void complete(int64_t i) {
    int64_t best = 0;
    lines_.colwise().squaredNorm().minCoeff(&best);
    DenseVector<T> own = DenseVector<T>::Unit(lines_.cols(), best);
    for (int pass = 0; pass < 2; ++pass) {
      const DenseVector<T> products = lines_ * own;
      own -= lines_.transpose() * products;
      own /= own.norm();
    }
    lines_.row(i) = own.transpose();
  }

  const bool is_wide_;
  const int64_t count_;
  RowMajorMatrix<T> lines_, basis_;
};

template <class T, class Each>
int32_t solve(const Svd& op, int64_t index, const Each& each) {
  const auto x = matrix_map<T>(op.matrix, index);
  const double largest = largest_size<T>(x);
  if (!std::isfinite(largest)) return kDenseNotFinite;
  const T power = T(power_to_unit_of<T>(largest));
  Decomposition<T> decomposition(x, power);
  if (!decomposition.run(each)) return kDenseNotConverged;
  decomposition.write(op, index, power);
  return 0;
}

template <class T>
void run(const Svd& op, Stream& stream) {
  constexpr T kNaN = std::numeric_limits<T>::quiet_NaN();
  const Matrices m = matrices(op.matrix);
  const int64_t k = smaller_side(op.matrix);
  for_matrices(stream, m.batch, m.rows, m.columns, [&](int64_t index, const auto& each) {
    const int32_t info = k == 0 ? 0 : solve<T>(op, index, each);
    op.info.as<int32_t>()[index] = info;
    if (info == 0) return;
    std::fill_n(op.s.as<T>() + index * k, k, kNaN);
    if (!op.u) return;
    std::fill_n(op.u.as<T>() + index * m.rows * k, m.rows * k, kNaN);
    std::fill_n(op.v.as<T>() + index * m.columns * k, m.columns * k, kNaN);
  });
}

}  // namespace

void svd(const Svd& op, Stream& stream) {
  visit(op.matrix.dtype, [&]<class T>() { run<T>(op, stream); });
}
ORTHOKIT_KERNEL(Svd, svd);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
