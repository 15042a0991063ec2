// The first of many scored things: the largest score first, of equal scores the lowest number.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "cpu/variant.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

struct Scored {
  double score;
  int64_t column;
  bool operator<(const Scored& other) const {  // comes before it
    return score > other.score || (score == other.score && column < other.column);
  }
};

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
  bool is_full() const { return count_ == most_; }
  double least() const { return most_ == 0 ? HUGE_VAL : items_[0].score; }
  // True if an element of this score behind all others so far would not be taken.
  bool refuses(double score) const { return is_full() && !(score > least()); }
  const Scored* begin() const { return items_; }
  const Scored* end() const { return items_ + count_; }
  void sort() { std::sort_heap(items_, items_ + count_); }

 private:
  Scored* items_;
  int64_t most_, count_ = 0;
};

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
