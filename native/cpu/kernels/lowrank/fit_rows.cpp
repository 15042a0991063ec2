#include "ops/lowrank/fit_rows.h"

#include <algorithm>
#include <cmath>

#include "cpu/doubles.h"
#include "cpu/fused.h"
#include "cpu/slots.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {
namespace {

inline constexpr int64_t kPanelEntries = 64;  // whose rows of x are widened together
inline constexpr int64_t kVectorDoubles = kVectorSize<double>;
inline constexpr int64_t kSpan = 2 * kVectorDoubles, kTall = 4;  // a tile of products in registers

// Rows of n numbers are this long, zeros behind them.
int64_t padded(int64_t n) { return (n + kSpan - 1) / kSpan * kSpan; }

// One row of the sparse matrix after the other; lines of n numbers lie in memory padded.
template <class T>
class RowFit {
 public:
  static int64_t doubles(int64_t n) {
    return (2 * padded(n) + kPanelEntries + 2) * padded(n) + kPanelEntries;
  }
  RowFit(const FitRows& op, double* memory)
      : op_(op),
        n_(op.x.shape[1]),
        width_(padded(n_)),
        products_(memory),
        factor_(products_ + width_ * width_),
        panel_(factor_ + width_ * width_),
        right_(panel_ + kPanelEntries * width_),
        w_(right_ + width_),
        targets_(w_ + width_) {
    // Numbers behind the n of a line stay 0.
    std::fill_n(memory, doubles(n_), 0.0);
  }

  void run(int64_t row) {
    const int32_t* starts = op_.starts.as<int32_t>();
    const auto [begin, end, exists] =
        entry_range(starts[row], starts[row + 1], op_.columns.shape[0]);
    T* out = op_.out.as<T>() + row * n_;
    if (!exists) {
      std::fill_n(out, n_, T(NAN));
      return finish(row, NAN, true);
    }
    std::fill_n(products_, width_ * width_, 0.0);
    std::fill_n(right_, width_, 0.0);
    for (int64_t at = begin; at < end; at += kPanelEntries) add(gather(at, end));
    const bool is_singular = !factorize(op_.ridge);
    if (is_singular) {
      double trace = 0;
      for (int64_t i = 0; i < n_; ++i) trace += products_[i * width_ + i];
      factorize(op_.ridge + kRaised * (trace / double(n_) + op_.ridge));
    }
    solve();
    for (int64_t j = 0; j < n_; ++j) w_[j] = double(out[j] = T(w_[j]));
    finish(row, op_.squares ? squares(begin, end) : 0, is_singular);
  }

 private:
  void finish(int64_t row, double squares, bool is_singular) {
    if (op_.squares) op_.squares.as<double>()[row] = squares;
    if (op_.singular) op_.singular.as<int32_t>()[row] = is_singular;
  }

  // The panel: rows of x and targets of at most kPanelEntries entries; how many there are.
  int64_t gather(int64_t at, int64_t end) {
    const int32_t* columns = op_.columns.as<int32_t>();
    const T *x = op_.x.as<T>(), *shift = op_.shift.as<T>(), *values = op_.values.as<T>();
    int64_t count = 0;
    for (const int64_t last = std::min(end, at + kPanelEntries); at < last; ++at) {
      const int64_t column = columns[at];
      if (column < 0 || column >= op_.x.shape[0]) continue;
      double* line = panel_ + count * width_;
      for (int64_t j = 0; j < n_; ++j) line[j] = double(x[column * n_ + j]);
      targets_[count++] = double(values[at]) - (shift ? double(shift[column]) : 0);
    }
    return count;
  }

  void add(int64_t count) {
    for (int64_t i = 0; i < n_; i += kTall)
      for (int64_t j = i / kSpan * kSpan; j < n_; j += kSpan) add_tile(i, j, count);
    for (int64_t e = 0; e < count; ++e) {
      const Vector<double> target = targets_[e] - Vector<double>{};
      for (int64_t j = 0; j < width_; j += kVectorDoubles) {
        Vector<double> sum;
        load<double>(right_ + j, sum);
        add_product<double>(target, panel_ + e * width_ + j, sum);
        store<double>(sum, right_ + j);
      }
    }
  }
  // products[i … i + 3, j …] += panelᵀ panel there.
  void add_tile(int64_t i, int64_t j, int64_t count) {
    Vector<double> sums[kTall][2];
    for (int64_t r = 0; r < kTall; ++r)
      for (int64_t v = 0; v < 2; ++v)
        load<double>(products_ + (i + r) * width_ + j + v * kVectorDoubles, sums[r][v]);
    const double* line = panel_;
    for (int64_t e = 0; e < count; ++e, line += width_) {
      Vector<double> left, right;
      load<double>(line + j, left), load<double>(line + j + kVectorDoubles, right);
#pragma GCC unroll 4
      for (int64_t r = 0; r < kTall; ++r) {
        const Vector<double> all = line[i + r] - Vector<double>{};
        add_product<double>(all, left, sums[r][0]), add_product<double>(all, right, sums[r][1]);
      }
    }
    for (int64_t r = 0; r < kTall; ++r)
      for (int64_t v = 0; v < 2; ++v)
        store<double>(sums[r][v], products_ + (i + r) * width_ + j + v * kVectorDoubles);
  }

  // Uᵀ U = products + ridge I, the reciprocals of U's diagonal in its place; false where a pivot is
  // too small, which is then 0, as is its reciprocal.
  bool factorize(double ridge) {
    bool good = true;
    std::copy_n(products_, n_ * width_, factor_);
    for (int64_t k = 0; k < n_; ++k) factor_[k * width_ + k] += ridge;
    for (int64_t k = 0; k < n_; ++k) {
      double* line = factor_ + k * width_;
      const double pivot = line[k], diagonal = products_[k * width_ + k] + ridge;
      good = good && pivot > least_pivot(n_) * diagonal && pivot < HUGE_VAL;
      const double inverse = pivot > 0 ? 1 / std::sqrt(pivot) : pivot <= 0 ? 0 : NAN;
      for (int64_t j = k; j < n_; ++j) line[j] *= inverse;
      for (int64_t i = k + 1; i < n_; ++i) {
        double* below = factor_ + i * width_;
        const Vector<double> factor = -line[i] - Vector<double>{};
        for (int64_t j = i / kVectorDoubles * kVectorDoubles; j < n_; j += kVectorDoubles) {
          Vector<double> sum;
          load<double>(below + j, sum);
          add_product<double>(factor, line + j, sum);
          store<double>(sum, below + j);
        }
      }
      line[k] = inverse;
    }
    return good;
  }
  void solve() {
    std::copy_n(right_, width_, w_);
    for (int64_t k = 0; k < n_; ++k) {
      const double* line = factor_ + k * width_;
      w_[k] *= line[k];
      for (int64_t j = k + 1; j < n_; ++j) w_[j] = fused(-w_[k], line[j], w_[j]);
    }
    for (int64_t k = n_ - 1; k >= 0; --k) {
      const double* line = factor_ + k * width_;
      double sum = w_[k];
      for (int64_t j = k + 1; j < n_; ++j) sum = fused(-line[j], w_[j], sum);
      w_[k] = sum * line[k];
    }
  }

  double squares(int64_t begin, int64_t end) {
    double sum = 0;
    for (int64_t at = begin; at < end; at += kPanelEntries) {
      const int64_t count = gather(at, end);
      for (int64_t e = 0; e < count; ++e) {
        Vector<double> along = {};
        for (int64_t j = 0; j < width_; j += kVectorDoubles) {
          Vector<double> part;
          load<double>(w_ + j, part);
          add_product<double>(part, panel_ + e * width_ + j, along);
        }
        const double residual = targets_[e] - total_of(along);
        sum = fused(residual, residual, sum);
      }
    }
    return sum;
  }

  const FitRows& op_;
  const int64_t n_, width_;
  double *const products_, *const factor_, *const panel_, *const right_, *const w_, *const targets_;
};

template <class T>
void run(const FitRows& op, Stream& stream) {
  constexpr int64_t kEntriesOfPart = 4096;
  const int64_t rows = op.out.shape[0], n = op.x.shape[1];
  if (rows == 0) return;
  const int64_t each = std::max<int64_t>(1, op.columns.shape[0] / rows);
  const int64_t group = std::max<int64_t>(1, kEntriesOfPart / each);
  const Slots memory(stream, RowFit<T>::doubles(n));
  stream.parallel((rows + group - 1) / group, [&](int64_t part) {
    memory.borrow([&](double* piece) {
      RowFit<T> fit(op, piece);
      const int64_t last = std::min(rows, (part + 1) * group);
      for (int64_t row = part * group; row < last; ++row) fit.run(row);
    });
  });
}

}  // namespace

void fit_rows(const FitRows& op, Stream& stream) {
  visit(op.x.dtype, [&]<class T>() { run<T>(op, stream); });
}
ORTHOKIT_KERNEL(FitRows, fit_rows);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
