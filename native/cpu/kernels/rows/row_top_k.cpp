#include "ops/rows/row_top_k.h"

#include <algorithm>
#include <cmath>

#include "cpu/chunks.h"
#include "cpu/widened.h"
#include "math/philox.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

struct Scored {
  double score;
  int64_t column;
  bool operator<(const Scored& other) const {  // comes before it
    return score > other.score || (score == other.score && column < other.column);
  }
};

template <class T>
static double score_of(T x) {
  return x != x ? HUGE_VAL : double(x);
}

// The best of what it is offered, in a heap whose first one goes next.
class Best {
 public:
  Best(Scored* items, int64_t most) : items_(items), most_(most) {}
  void offer(Scored next) {
    if (count_ < most_) {
      items_[count_++] = next;
      std::push_heap(items_, items_ + count_);
    } else if (most_ > 0 && next < items_[0]) {
      std::pop_heap(items_, items_ + count_);
      items_[count_ - 1] = next;
      std::push_heap(items_, items_ + count_);
    }
  }
  // True if an element of this score behind all others so far would not be taken.
  bool refuses(double score) const { return count_ == most_ && !(score > items_[0].score); }
  const Scored* begin() const { return items_; }
  const Scored* end() const { return items_ + count_; }
  void sort() { std::sort_heap(items_, items_ + count_); }

 private:
  Scored* items_;
  int64_t most_, count_ = 0;
};

template <class T>
static void take_all(const T* x, int64_t n, Best& best) {
  for (int64_t j = 0; j < n; ++j) {
    const double score = score_of(x[j]);
    if (!best.refuses(score)) best.offer({score, j});
  }
}

static double drawn(const RowTopK& op, uint64_t first, Scored of) {
  const uint64_t g = first + uint64_t(of.column);
  const auto block = math::philox(uint64_t(op.seed), uint64_t(op.stream), g / 4);
  const double u = (double(block.words[g % 4]) + 0.5) * 0x1p-32;
  return of.score / op.temperature - std::log(-std::log(u));
}

template <class T>
static void row_top_k(const RowTopK& op, int64_t row, Scored* memory) {
  const int64_t columns = row_length(op.x), k = op.count(), candidates = op.candidates();
  const T* x = op.x.as<T>() + row * columns;
  const uint64_t first = uint64_t(op.offset) + uint64_t(row * columns);
  Best best(memory, k);
  if (!op.draws()) {
    take_all(x, columns, best);
  } else if (candidates == columns) {
    for (int64_t j = 0; j < columns; ++j) best.offer({drawn(op, first, {score_of(x[j]), j}), j});
  } else {
    Best among(memory + k, candidates);
    take_all(x, columns, among);
    for (const Scored& one : among) best.offer({drawn(op, first, one), one.column});
  }
  best.sort();
  int64_t at = row * k;
  for (const Scored& one : best) {
    op.index.as<int32_t>()[at] = int32_t(one.column);
    if (op.values) op.values.as<T>()[at] = x[one.column];
    ++at;
  }
}

void row_top_k(const RowTopK& op, Stream& stream) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  const bool is_limited = op.draws() && op.candidates() < columns;
  const int64_t each = op.count() + (is_limited ? op.candidates() : 0);
  auto* memory = stream.scratch<Scored>(rows * each);
  visit(op.x.dtype, [&]<class T>() {
    for_rows(stream, rows, columns, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) row_top_k<T>(op, row, memory + row * each);
    });
  });
}
ORTHOKIT_WIDE_KERNEL(RowTopK, row_top_k);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
