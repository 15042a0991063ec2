// Sweeps of plane rotations over the columns of a matrix, kept and done many at a time.
#pragma once
#include <vector>

#include "cpu/kernels/dense/shared/dense.h"
#include "cpu/vectors.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Columns x and y become c·x − s·y and s·x + c·y.
template <class T>
struct Turn {
  T c = 1, s = 0;
};

// Sweeps of turns of neighbouring columns of a matrix, which is kept in panels of some rows, column
// after column. Each panel meets all sweeps that were kept, two at a time: of two, a column is read
// and written once.
template <class T>
class Sweeps {
 public:
  explicit Sweeps(const DenseRef<T>& x)
      : rows_(x.rows()),
        columns_(x.cols()),
        panels_((rows_ + kRows - 1) / kRows),
        x_(size_t(panels_ * kRows * columns_)) {
    for (int64_t i = 0; i < panels_; ++i)
      map_of(i).topRows(rows_of(i)) = x.middleRows(i * kRows, rows_of(i));
  }

  // Begins a sweep that turns columns `first` and the next, and so on up to `last`.
  void begin(int64_t first, int64_t last) {
    is_second_ = !is_second_ && !pairs_.empty();
    if (!is_second_) {
      if (int64_t(turns_.size()) > kMostTurns) finish();
      pairs_.push_back({first, last, int64_t(turns_.size())});
      turns_.resize(turns_.size() + size_t(last - first));
      return;
    }
    Pair& pair = pairs_.back();
    if (last > pair.last) turns_.resize(turns_.size() + size_t(last - pair.last));
    if (first < pair.first)
      turns_.insert(turns_.begin() + pair.at, size_t(pair.first - first), Turns{});
    pair.first = std::min(pair.first, first), pair.last = std::max(pair.last, last);
  }
  // Of the sweep that was begun.
  void turn(int64_t column, const Turn<T>& turn) {
    const Pair& pair = pairs_.back();
    Turns& turns = turns_[size_t(pair.at + column - pair.first)];
    (is_second_ ? turns.two : turns.one) = turn;
  }
  // Does what is left, and gives the matrix.
  void write(eigen::Map<DenseMatrix<T>> out) {
    finish();
    for (int64_t i = 0; i < panels_; ++i)
      out.middleRows(i * kRows, rows_of(i)) = map_of(i).topRows(rows_of(i));
  }

 private:
  static constexpr int kRegisters = kVectorBytes == 64 ? 4 : 2;
  static constexpr int64_t kRows = kRegisters * kVectorSize<T>;
  static constexpr int64_t kMostTurns = 1 << 14;

  // Of two sweeps, at the same column.
  struct Turns {
    Turn<T> one, two;
  };
  struct Pair {
    int64_t first, last, at;
  };
  struct Column {
    Vector<T> part[kRegisters];
  };

  int64_t rows_of(int64_t panel) const { return std::min(kRows, rows_ - panel * kRows); }
  eigen::Map<DenseMatrix<T>> map_of(int64_t panel) {
    return {x_.data() + panel * kRows * columns_, kRows, columns_};
  }

  void finish() {
    for (int64_t i = 0; i < panels_; ++i)
      for (const Pair& pair : pairs_)
        turn_columns(turns_.data() + pair.at, pair.last - pair.first,
                     x_.data() + (i * columns_ + pair.first) * kRows);
    pairs_.clear(), turns_.clear();
    is_second_ = false;
  }

  // x and y become the columns of a turn.
  static void turn_both(const Turn<T>& by, Column& x, Column& y) {
    const Vector<T> c = Vector<T>{} + by.c, s = Vector<T>{} + by.s, minus = -s;
#pragma GCC unroll 4
    for (int r = 0; r < kRegisters; ++r) {
      Vector<T> first = c * x.part[r], second = c * y.part[r];
      add_product<T>(minus, y.part[r], first);
      add_product<T>(s, x.part[r], second);
      x.part[r] = first, y.part[r] = second;
    }
  }
  static void read(const T* from, Column& x) {
#pragma GCC unroll 4
    for (int r = 0; r < kRegisters; ++r) load<T>(from + r * kVectorSize<T>, x.part[r]);
  }
  static void write(const Column& x, T* to) {
#pragma GCC unroll 4
    for (int r = 0; r < kRegisters; ++r) store<T>(x.part[r], to + r * kVectorSize<T>);
  }

  // The second sweep stays a column behind the first.
  static void turn_columns(const Turns* turns, int64_t count, T* x) {
    Column before, middle, next;
    read(x, before), read(x + kRows, middle);
    turn_both(turns[0].one, before, middle);
    for (int64_t j = 1; j < count; ++j, x += kRows) {
      read(x + 2 * kRows, next);
      turn_both(turns[j].one, middle, next);
      turn_both(turns[j - 1].two, before, middle);
      write(before, x);
      before = middle, middle = next;
    }
    turn_both(turns[count - 1].two, before, middle);
    write(before, x), write(middle, x + kRows);
  }

  const int64_t rows_, columns_, panels_;
  std::vector<T> x_;
  std::vector<Turns> turns_;
  std::vector<Pair> pairs_;
  bool is_second_ = false;
};

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
