#include "ops/dense/svd.h"

#include <cmath>
#include <numeric>

#include "cpu/kernels/dense/shared/dense.h"
#include "ops/dense/shared/jacobi.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {
namespace {

// In place: the rows of what is rows × columns become its columns.
template <class T>
void transpose_in_place(T* x, int64_t rows, int64_t columns) {
  if (rows == columns) {
    eigen::Map<RowMajorMatrix<T>>(x, rows, columns).transposeInPlace();
    return;
  }
  std::vector<bool> done(size_t(rows * columns));
  for (int64_t start = 0; start < rows * columns; ++start) {
    if (done[size_t(start)]) continue;
    T value = x[start];
    int64_t i = start;
    do {
      i = i % columns * rows + i / columns;
      std::swap(value, x[i]);
      done[size_t(i)] = true;
    } while (i != start);
  }
}

// One-sided Jacobi: rotations of pairs of lines until all are orthogonal (Hestenes 1958; Golub and
// Van Loan, Matrix Computations, 8.6.3). Lines are the columns of the matrix, or the rows of one
// that is wide. They begin along the eigenvectors of their Gram matrix, where few rotations are
// left. The work is done where the vectors go, and needs one matrix of the smaller side besides.
template <class T>
class Decomposition {
 public:
  Decomposition(const Svd& op, int64_t index, const RowMajorMap<T>& x, T power)
      : x_(x),
        power_(power),
        is_wide_(x.rows() < x.cols()),
        count_(std::min(x.rows(), x.cols())),
        length_(std::max(x.rows(), x.cols())),
        own_lines_(op.u ? 0 : count_, length_),
        own_basis_(op.u ? 0 : count_, count_),
        lines_(op.u ? matrix_map<T>(is_wide_ ? op.v : op.u, index).data() : own_lines_.data(),
               count_, length_),
        basis_(op.u ? matrix_map<T>(is_wide_ ? op.u : op.v, index).data() : own_basis_.data(),
               count_, count_) {}

  // True once it has converged.
  bool run(const EachPart& each) {
    start(each);
    for (int64_t i = 0; i < count_; ++i) squares_.push_back(square_of(i));
    int near_sweeps = 0;
    for (int sweep = 0; sweep < kMostSweeps; ++sweep) {
      if (!find_suspects(each)) return true;
      auto widest = Angle::kRight;
      for (int64_t round = 0; round < rounds_of(count_); ++round) {
        std::atomic<bool> has_turned{false}, is_far{false};
        in_parts(each, pairs_of(count_), kPairs, [&](int64_t begin, int64_t size) {
          for (int64_t i = begin; i < begin + size; ++i) {
            const auto [p, q] = pair_of(count_, round, i);
            const Angle angle = q < count_ && is_suspect(p, q) ? turn(p, q) : Angle::kRight;
            if (angle != Angle::kRight) has_turned = true;
            if (angle == Angle::kOther) is_far = true;
          }
        });
        widest = std::max(widest, is_far       ? Angle::kOther
                                  : has_turned ? Angle::kNear
                                               : Angle::kRight);
      }
      if (widest == Angle::kRight) return true;
      if (widest == Angle::kNear && ++near_sweeps == kNearSweeps) return true;
    }
    return near_sweeps > 0;
  }

  void write(const Svd& op, int64_t index) {
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
    for (int64_t j = 0; j < count_; ++j) s[j] = norms[size_t(order[size_t(j)])] / power_;
    if (!op.u) return;
    for (int64_t i = 0; i < count_; ++i)
      if (norms[size_t(i)] <= T(kNoise<T>)) complete(i);
    for (int64_t i = 0; i < count_; ++i)  // as rotations round it, its length drifts
      basis_.row(i) /= T(std::sqrt(basis_.row(i).template cast<double>().squaredNorm()));
    put_in_order(lines_, order), put_in_order(basis_, order);
    for (int64_t j = 0; j < count_; ++j) {
      const T sign = is_wide_ ? sign_of(basis_.row(j)) : sign_of(lines_.row(j));
      lines_.row(j) *= sign, basis_.row(j) *= sign;
    }
    transpose_in_place(lines_.data(), count_, length_);
    transpose_in_place(basis_.data(), count_, count_);
  }

 private:
  using Lines = eigen::Map<RowMajorMatrix<T>>;
  static constexpr int64_t kPairs = 16;      // that a thread takes at once
  static constexpr int64_t kFewLines = 128;  // whose pairs are all looked at
  static constexpr int64_t kPanel = 256;     // elements of all lines that are worked on at once

  // Lines and basis as they are before the first rotation.
  void start(const EachPart& each) {
    RowMajorMatrix<T> panel(count_, std::min(kPanel, length_));
    basis_.setZero();
    for (int64_t from = 0; from < length_; from += kPanel) {
      const int64_t width = read(from, panel);
      in_parts(each, count_, kDenseTile, [&](int64_t begin, int64_t size) {
        const T* own = panel.data() + begin * panel.cols();  // of the half of the Gram matrix
        product<T>(false, true, size, count_ - begin, width, T(1), own, panel.cols(), own,
                   panel.cols(), T(1), basis_.data() + begin * (count_ + 1), count_);
      });
    }
    const eigen::Map<const DenseMatrix<T>> gram(basis_.data(), count_, count_);
    DenseVector<T> values;
    if (!eigensystem<T>(gram, values, basis_.data(), each)) basis_.setIdentity();
    for (int64_t from = 0; from < length_; from += kPanel) {
      const int64_t width = read(from, panel);
      in_parts(each, count_, kDenseTile, [&](int64_t begin, int64_t size) {
        product<T>(false, false, size, width, count_, T(1), basis_.data() + begin * count_, count_,
                   panel.data(), panel.cols(), T(0), lines_.data() + begin * length_ + from,
                   length_);
      });
    }
  }

  // Elements of all lines of the matrix, from one on. How many.
  int64_t read(int64_t from, RowMajorMatrix<T>& panel) const {
    const int64_t width = std::min(kPanel, length_ - from);
    if (is_wide_)
      panel.leftCols(width) = x_.middleCols(from, width) * power_;
    else
      panel.leftCols(width) = x_.middleRows(from, width).transpose() * power_;
    return width;
  }

  template <class Rows>
  static void put_in_order(Rows& rows, const std::vector<int64_t>& order) {
    std::vector<bool> done(order.size());
    for (size_t start = 0; start < order.size(); ++start) {
      if (done[start]) continue;
      const RowMajorMatrix<T> first = rows.row(int64_t(start));
      size_t j = start;
      for (; order[j] != int64_t(start); j = size_t(order[j])) {
        rows.row(int64_t(j)) = rows.row(order[j]);
        done[j] = true;
      }
      rows.row(int64_t(j)) = first;
      done[j] = true;
    }
  }

  double square_of(int64_t i) const { return double(lines_.row(i).squaredNorm()); }

  // One product of matrices, in a part of the time that a product of each pair takes, finds those
  // to turn where few are: entries of all others become 0. False where none is to be turned.
  bool find_suspects(const EachPart& each) {
    if (count_ < kFewLines) return true;
    products_.resize(count_, count_);
    constexpr double kRounding = kOrthogonalRoundings * double(std::numeric_limits<T>::epsilon());
    std::vector<T> norms, limits;
    for (const double square : squares_) {
      norms.push_back(T(std::sqrt(square)));
      limits.push_back(T(kRounding * std::sqrt(square)));
    }
    std::atomic<int64_t> suspects{0};
    in_parts(each, count_, kDenseTile, [&](int64_t begin, int64_t size) {
      product<T>(false, true, size, begin + size, length_, T(1), lines_.data() + begin * length_,
                 length_, lines_.data(), length_, T(0), products_.data() + begin * count_, count_);
      int64_t found = 0;
      for (int64_t q = begin; q < begin + size; ++q)
        found += drop_right(&products_(q, 0), norms.data(), q, limits[size_t(q)]);
      suspects += found;
    });
    has_suspects_ = suspects < count_ * count_ / 16;
    return suspects > 0;
  }
  // Products that are no larger than rounding become 0. How many are left.
  static int64_t drop_right(T* products, const T* norms, int64_t count, T limit) {
    int32_t left = 0;
    for (int64_t p = 0; p < count; ++p) {
      const bool is_left = std::abs(products[p]) > limit * norms[p];
      products[p] = is_left ? products[p] : T(0);
      left += is_left;
    }
    return left;
  }
  bool is_suspect(int64_t p, int64_t q) const { return !has_suspects_ || products_(q, p) != 0; }

  // Makes two lines orthogonal. The angle between them before.
  Angle turn(int64_t p, int64_t q) {
    const double xx = squares_[size_t(p)], yy = squares_[size_t(q)],
                 xy = double(lines_.row(p).dot(lines_.row(q)));
    const double norms[] = {std::sqrt(xx), std::sqrt(yy)};
    if (std::min(norms[0], norms[1]) <= kNoise<T>) return Angle::kRight;
    const Angle angle = angle_of<T>(xy, norms[0] * norms[1], lines_.cols());
    if (angle == Angle::kRight) return angle;
    const double zeta = (yy - xx) / (2 * xy),
                 tangent = (zeta < 0 ? -1 : 1) / (std::abs(zeta) + std::sqrt(1 + zeta * zeta)),
                 cosine = 1 / std::sqrt(1 + tangent * tangent), sine = tangent * cosine;
    const Rotation<T> rotation{T(sine), T(sine / (1 + cosine))};
    for (int64_t j = 0; j < lines_.cols(); ++j) rotation.turn(lines_(p, j), lines_(q, j));
    for (int64_t j = 0; j < count_; ++j) rotation.turn(basis_(p, j), basis_(q, j));
    squares_[size_t(p)] = square_of(p), squares_[size_t(q)] = square_of(q);
    return angle;
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

  const RowMajorMap<T> x_;
  const T power_;
  const bool is_wide_;
  const int64_t count_, length_;
  RowMajorMatrix<T> own_lines_, own_basis_;  // where no vectors are wanted
  Lines lines_, basis_;
  std::vector<double> squares_;  // of the norms of lines
  RowMajorMatrix<T> products_;   // of lines, before a sweep
  bool has_suspects_ = false;    // where only pairs whose product is large are looked at
};

template <class T>
int32_t solve(const Svd& op, int64_t index, const EachPart& each) {
  const auto x = matrix_map<T>(op.matrix, index);
  const double largest = largest_size<T>(x);
  if (!std::isfinite(largest)) return kDenseNotFinite;
  const T power = T(power_to_unit_of<T>(largest));
  Decomposition<T> decomposition(op, index, x, power);
  if (!decomposition.run(each)) return kDenseNotConverged;
  decomposition.write(op, index);
  return 0;
}

template <class T>
void run(const Svd& op, Stream& stream) {
  constexpr T kNaN = std::numeric_limits<T>::quiet_NaN();
  const Matrices m = matrices(op.matrix);
  const int64_t k = smaller_side(op.matrix);
  for_matrices(stream, m.batch, m.rows, m.columns, [&](int64_t index, const EachPart& each) {
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
