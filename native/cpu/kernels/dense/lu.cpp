#include "ops/dense/lu.h"

#include <cmath>

#include "cpu/kernels/dense/shared/dense.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {
namespace {

template <class T>
class Elimination {
 public:
  Elimination(T* a, int64_t rows, int64_t columns, int32_t* pivots)
      : a_(a), rows_(rows), columns_(columns), pivots_(pivots) {}

  void run(const EachPart& each) {
    for (int64_t i = 0; i < rows_; ++i) pivots_[i] = int32_t(i);
    const int64_t sides = std::min(rows_, columns_);
    for (int64_t first = 0; first < sides; first += kDenseBlock) {
      const int64_t end = std::min(sides, first + kDenseBlock);
      for (int64_t k = first; k < end; ++k) eliminate(k, end);
      in_parts(each, columns_ - end, kDenseTile,
               [&](int64_t begin, int64_t size) { solve_rows(first, end, end + begin, size); });
      const int64_t across = (columns_ - end + kDenseTile - 1) / kDenseTile,
                    down = (rows_ - end + kDenseTile - 1) / kDenseTile;
      each(across * down, [&](int64_t tile) {
        subtract(first, end, end + tile / across * kDenseTile, end + tile % across * kDenseTile);
      });
    }
  }

  int32_t info(double tolerance) const {
    const int64_t sides = std::min(rows_, columns_);
    double largest = 0;
    for (int64_t k = 0; k < sides; ++k) largest = std::max(largest, size_of(k));
    for (int64_t k = 0; k < sides; ++k)
      if (!(size_of(k) > tolerance * largest)) return int32_t(k + 1);
    return 0;
  }

 private:
  T* row(int64_t i) const { return a_ + i * columns_; }
  double size_of(int64_t k) const { return std::abs(double(row(k)[k])); }

  // Column k, and what it takes from the columns before `end`.
  void eliminate(int64_t k, int64_t end) {
    T most = 0;
    int64_t best = k;
    for (int64_t i = k; i < rows_; ++i)
      if (const T size = std::abs(row(i)[k]); size > most) most = size, best = i;
    if (best != k) {
      std::swap_ranges(row(k), row(k) + columns_, row(best));
      std::swap(pivots_[k], pivots_[best]);
    }
    const T* above = row(k);
    const T pivot = above[k];
    for (int64_t i = k + 1; i < rows_; ++i) {
      T* own = row(i);
      const T factor = pivot == 0 ? own[k] : own[k] / pivot;
      own[k] = factor;
      for (int64_t j = k + 1; j < end; ++j) own[j] -= factor * above[j];
    }
  }
  // Rows first … end − 1 of `size` columns from `from` on.
  void solve_rows(int64_t first, int64_t end, int64_t from, int64_t size) const {
    for (int64_t i = first + 1; i < end; ++i)
      for (int64_t t = first; t < i; ++t) {
        const T factor = row(i)[t];
        const T* above = row(t) + from;
        T* own = row(i) + from;
        for (int64_t j = 0; j < size; ++j) own[j] -= factor * above[j];
      }
  }
  // A tile of what is left, at row i and column j.
  void subtract(int64_t first, int64_t end, int64_t i, int64_t j) const {
    product<T>(false, false, std::min(kDenseTile, rows_ - i), std::min(kDenseTile, columns_ - j),
               end - first, T(-1), row(i) + first, columns_, row(first) + j, columns_, T(1),
               row(i) + j, columns_);
  }

  T* a_;
  int64_t rows_, columns_;
  int32_t* pivots_;
};

template <class T>
void run(const Lu& op, Stream& stream) {
  const auto [batch, rows, columns] = matrices(op.matrix);
  for_matrices(stream, batch, rows, columns,
               [&, rows = rows, columns = columns](int64_t index, const EachPart& each) {
                 const T* from = op.matrix.as<T>() + index * rows * columns;
                 T* to = op.lu.as<T>() + index * rows * columns;
                 if (to != from) std::copy_n(from, rows * columns, to);
                 Elimination<T> elimination(to, rows, columns,
                                            op.pivots.as<int32_t>() + index * rows);
                 elimination.run(each);
                 op.info.as<int32_t>()[index] = elimination.info(op.tolerance);
               });
}

}  // namespace

void lu(const Lu& op, Stream& stream) {
  visit(op.matrix.dtype, [&]<class T>() { run<T>(op, stream); });
}
ORTHOKIT_KERNEL(Lu, lu);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
