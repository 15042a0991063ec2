// Eigenvectors of a tridiagonal matrix by halves, in products of matrices (Cuppen 1981; Gu and
// Eisenstat 1995).
#pragma once
#include <cmath>
#include <numeric>
#include <vector>

#include "cpu/kernels/dense/shared/dense.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Roots of 1 + ρ Σ zⱼ² / (dⱼ − λ): one in each gap between the d, which ascend, and one beyond.
class SecularEquation {
 public:
  using Numbers = eigen::Array<double, eigen::Dynamic, 1>;

  // Those left of d and z, of which |z| is near 1. `tolerance` is of z, relative.
  SecularEquation(const std::vector<double>& d, const std::vector<double>& z, double rho,
                  double tolerance)
      : d_(eigen::Map<const Numbers>(d.data(), int64_t(d.size()))),
        z_(eigen::Map<const Numbers>(z.data(), int64_t(z.size()))),
        rho_(rho),
        tolerance_(tolerance),
        origin_(z.size()),
        shift_(z.size()) {}

  int64_t count() const { return d_.size(); }
  double root(int64_t i) const { return d_[origin_[size_t(i)]] + shift_[size_t(i)]; }

  // Root i, as its distance from the nearer end of its gap: fits a pole at each end to value and
  // slope of the sums on its side (Bunch, Nielsen and Sorensen 1978), and halves the gap where that
  // leads out of it.
  void solve(int64_t i) {
    constexpr int kMostSteps = 100;
    const int64_t n = count();
    const bool is_last = i == n - 1;
    const double gap = is_last ? rho_ * z_.square().sum() : d_[i + 1] - d_[i];
    Numbers distances = d_ - d_[i], shares;
    double middle = gap / 2;
    const bool is_left = is_last || 1 + rho_ * (z_.square() / (distances - middle)).sum() >= 0;
    const int64_t origin = is_left ? i : i + 1;
    if (!is_left) distances = d_ - d_[origin];
    double low = is_left ? 0 : -middle, high = is_last ? gap : is_left ? middle : 0;
    double x = is_last ? middle : (low + high) / 2;
    for (int step = 0; step < kMostSteps; ++step) {
      shares = z_ / (distances - x);
      const double before = rho_ * (z_ * shares).head(i + 1).sum(),
                   after = rho_ * (z_ * shares).tail(n - 1 - i).sum(),
                   slope_before = rho_ * shares.head(i + 1).square().sum(),
                   slope_after = rho_ * shares.tail(n - 1 - i).square().sum();
      const double value = 1 + before + after, slope = slope_before + slope_after;
      if (std::abs(value) <= tolerance_ * (1 - before + after + std::abs(x) * slope)) break;
      (value > 0 ? high : low) = x;
      const double left = distances[i] - x, right = is_last ? 0 : distances[i + 1] - x;
      double change;
      if (is_last) {
        // One pole, and a constant.
        const double constant = value - left * slope;
        change = constant > 0 ? left * value / constant : -value / slope;
      } else {
        const double a = (left + right) * value - left * right * slope, b = left * right * value,
                     c = value - left * slope_before - right * slope_after,
                     root = std::sqrt(std::abs(a * a - 4 * b * c));
        change = a <= 0 ? (a - root) / (2 * c) : 2 * b / (a + root);
      }
      if (!(value * change < 0)) change = -value / slope;
      const double next = x + change;
      x = next > low && next < high ? next : (low + high) / 2;
      if (x == low || x == high) break;
    }
    origin_[size_t(i)] = origin, shift_[size_t(i)] = x;
  }

  // Takes those z of which the roots are exact: vectors are orthogonal then, however near the d.
  void refine() {
    Numbers squares = Numbers::Ones(count());
    for (int64_t i = 0; i < count(); ++i) {
      const Numbers over = d_[origin_[size_t(i)]] - d_ + shift_[size_t(i)], under = d_[i] - d_;
      const double own = squares[i] * over[i];
      squares *= over / under;
      squares[i] = own;
    }
    z_ = (z_ < 0).select(-squares.abs().sqrt(), squares.abs().sqrt());
  }

  // The eigenvector of a root, length 1.
  Numbers vector(int64_t i) const {
    Numbers x = z_ / (d_ - d_[origin_[size_t(i)]] - shift_[size_t(i)]);
    x /= std::sqrt(x.square().sum());
    return x;
  }

 private:
  Numbers d_, z_;
  double rho_, tolerance_;
  std::vector<int64_t> origin_;
  std::vector<double> shift_;
};

// Eigenvalues and eigenvectors, a line each, of a symmetric tridiagonal matrix whose largest
// element is near 1.
template <class T>
class Conquest {
 public:
  // The memory of `lines` is n × n.
  Conquest(const DenseVector<T>& diagonal, const DenseVector<T>& below, T* lines,
           const EachPart& each)
      : each_(each), n_(diagonal.size()), lines_(lines), below_(below.template cast<double>()) {
    for (int64_t i = 0; i < n_; ++i) values_.push_back(double(diagonal[i]));
  }

  // False where it does not converge. The values come in no order.
  bool run(DenseVector<T>& values) {
    std::fill_n(lines_, n_ * n_, T(0));
    if (!solve(0, n_)) return false;
    for (int64_t i = 0; i < n_; ++i) values[i] = T(values_[size_t(i)]);
    return true;
  }

 private:
  static constexpr int64_t kLeaf = 24;  // rows that are not divided
  static constexpr double kEpsilon = double(std::numeric_limits<T>::epsilon());

  T* line(int64_t i) const { return lines_ + i * n_; }

  bool solve(int64_t begin, int64_t end) {
    if (end - begin <= kLeaf) return solve_leaf(begin, end);
    const int64_t middle = (begin + end) / 2;
    const double rho = std::abs(below_[middle - 1]);
    values_[size_t(middle - 1)] -= rho, values_[size_t(middle)] -= rho;
    if (!solve(begin, middle) || !solve(middle, end)) return false;
    join(begin, middle, end, rho, below_[middle - 1] < 0 ? -1 : 1);
    return true;
  }

  bool solve_leaf(int64_t begin, int64_t end) {
    const int64_t size = end - begin;
    eigen::SelfAdjointEigenSolver<DenseMatrix<double>> solver;
    const DenseVector<double> diagonal =
        eigen::Map<const DenseVector<double>>(&values_[size_t(begin)], size);
    solver.computeFromTridiagonal(diagonal, below_.segment(begin, size - 1));
    if (solver.info() != eigen::Success) return false;
    for (int64_t i = 0; i < size; ++i) {
      values_[size_t(begin + i)] = solver.eigenvalues()[i];
      for (int64_t j = 0; j < size; ++j)
        line(begin + i)[begin + j] = T(solver.eigenvectors()(j, i));
    }
    return true;
  }

  // A line of the halves, and where it is not 0.
  struct Kept {
    int64_t line;
    bool has_upper, has_lower;
  };

  // Of the halves, whose lines are 0 beyond their own columns, makes lines of the whole:
  // diag(values) + ρ·z·zᵀ is what they make of the matrix.
  void join(int64_t begin, int64_t middle, int64_t end, double rho, double sign) {
    const int64_t size = end - begin;
    std::vector<int64_t> order(size_t(size), 0);
    std::iota(order.begin(), order.end(), begin);
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t i, int64_t j) { return values_[size_t(i)] < values_[size_t(j)]; });
    std::vector<double> z(static_cast<size_t>(n_));
    double largest = 0, square = 0;
    for (int64_t i = begin; i < end; ++i) {
      const double own = i < middle ? double(line(i)[middle - 1]) : sign * double(line(i)[middle]);
      z[size_t(i)] = own, square += own * own;
      largest = std::max(largest, std::abs(values_[size_t(i)]));
    }
    const double length = std::sqrt(square), tolerance = kEpsilon / 2 * std::max(largest, rho);
    rho *= square;
    for (int64_t i = begin; i < end; ++i) z[size_t(i)] /= length;

    // A line whose z is 0 stays as it is; of two whose values are near, one is turned to be so.
    std::vector<Kept> kept;
    std::vector<int64_t> done;
    for (const int64_t i : order) {
      if (rho * std::abs(z[size_t(i)]) <= tolerance) {
        done.push_back(i);
        continue;
      }
      Kept next{i, i < middle, i >= middle};
      if (!kept.empty()) {
        Kept& last = kept.back();
        double &x = z[size_t(last.line)], &y = z[size_t(i)], &a = values_[size_t(last.line)],
               &b = values_[size_t(i)];
        const double both = std::hypot(x, y), c = y / both, s = -x / both;
        if (std::abs((b - a) * c * s) <= tolerance) {
          for (int64_t j = begin; j < end; ++j) {
            const double p = line(last.line)[j], q = line(i)[j];
            line(last.line)[j] = T(c * p + s * q), line(i)[j] = T(c * q - s * p);
          }
          x = 0, y = both;
          const double first = a * c * c + b * s * s;
          b = a * s * s + b * c * c, a = first;
          next.has_upper |= last.has_upper, next.has_lower |= last.has_lower;
          done.push_back(last.line);
          kept.pop_back();
        }
      }
      kept.push_back(next);
    }
    combine(begin, middle, end, rho, z, kept, done);
  }

  void combine(int64_t begin, int64_t middle, int64_t end, double rho, const std::vector<double>& z,
               const std::vector<Kept>& kept, const std::vector<int64_t>& done) {
    const int64_t count = int64_t(kept.size()), size = end - begin;
    std::vector<double> own_values, own_z;
    std::vector<int64_t> upper, lower;  // of those kept
    for (int64_t j = 0; j < count; ++j) {
      own_values.push_back(values_[size_t(kept[size_t(j)].line)]);
      own_z.push_back(z[size_t(kept[size_t(j)].line)]);
      if (kept[size_t(j)].has_upper) upper.push_back(j);
      if (kept[size_t(j)].has_lower) lower.push_back(j);
    }
    const RowMajorMatrix<T> uppers = lines_of(kept, upper, begin, middle - begin),
                            lowers = lines_of(kept, lower, middle, end - middle);
    // Those that stay come last.
    RowMajorMatrix<T> rest(size - count, size);
    std::vector<double> rest_values;
    for (size_t j = 0; j < done.size(); ++j) {
      std::copy_n(line(done[j]) + begin, size, &rest(int64_t(j), 0));
      rest_values.push_back(values_[size_t(done[j])]);
    }
    SecularEquation equation(own_values, own_z, rho, 1000 * kEpsilon * kEpsilon + 1e-15);
    in_parts(each_, count, kTile, [&](int64_t from, int64_t many) {
      for (int64_t i = from; i < from + many; ++i) equation.solve(i);
    });
    equation.refine();
    in_parts(each_, count, kTile, [&](int64_t from, int64_t many) {
      RowMajorMatrix<T> first(many, int64_t(upper.size())), second(many, int64_t(lower.size()));
      for (int64_t i = 0; i < many; ++i) {
        const auto vector = equation.vector(from + i);
        for (size_t j = 0; j < upper.size(); ++j) first(i, int64_t(j)) = T(vector[upper[j]]);
        for (size_t j = 0; j < lower.size(); ++j) second(i, int64_t(j)) = T(vector[lower[j]]);
      }
      multiply(first, uppers, line(begin + from) + begin);
      multiply(second, lowers, line(begin + from) + middle);
    });
    for (int64_t i = 0; i < count; ++i) values_[size_t(begin + i)] = equation.root(i);
    for (int64_t i = 0; i < size - count; ++i) {
      std::copy_n(&rest(i, 0), size, line(begin + count + i) + begin);
      values_[size_t(begin + count + i)] = rest_values[size_t(i)];
    }
  }

  RowMajorMatrix<T> lines_of(const std::vector<Kept>& kept, const std::vector<int64_t>& chosen,
                             int64_t from, int64_t width) const {
    RowMajorMatrix<T> found(int64_t(chosen.size()), width);
    for (size_t j = 0; j < chosen.size(); ++j)
      std::copy_n(line(kept[size_t(chosen[j])].line) + from, width, &found(int64_t(j), 0));
    return found;
  }

  void multiply(const RowMajorMatrix<T>& a, const RowMajorMatrix<T>& b, T* to) const {
    if (a.cols() > 0)
      product<T>(false, false, a.rows(), b.cols(), a.cols(), T(1), a.data(), a.cols(), b.data(),
                 b.cols(), T(0), to, n_);
    else
      for (int64_t i = 0; i < a.rows(); ++i) std::fill_n(to + i * n_, b.cols(), T(0));
  }

  static constexpr int64_t kTile = kDenseTile;

  const EachPart& each_;
  const int64_t n_;
  T* lines_;
  DenseVector<double> below_;
  std::vector<double> values_;
};

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
