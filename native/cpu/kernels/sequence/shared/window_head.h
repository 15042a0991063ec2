// A head of one stream's window of attention, and its step to the next place.
#pragma once
#include "cpu/kernels/network/shared/attention_unit.h"
#include "ops/sequence/retroactive_attention.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T, class Math>
class WindowHead {
 public:
  static int64_t scratch(const RetroactiveAttention& op) {
    return 2 * Pieces::bytes<T>(op.size()) + Pieces::bytes<T>(rounded_up(op.room(), 64));
  }
  WindowHead(const RetroactiveAttention& op, const MovingWindow& window, int64_t pair,
             Pieces& pieces)
      : op_(op),
        window_(window),
        size_(op.size()),
        slot_(window.slot()),
        q_(op.q.as<T>() + pair * size_),
        k_(op.k.as<T>() + pair * size_),
        v_(op.v.as<T>() + pair * size_),
        queries_(op.queries.as<T>() + pair * op.room() * size_),
        keys_(op.keys.as<T>() + pair * op.room() * size_),
        values_(op.values.as<T>() + pair * op.room() * size_),
        sums_(op.sums.as<T>() + pair * op.room() * stride()),
        out_(op.out ? op.out.as<T>() + pair * op.room() * size_ : nullptr),
        old_key_(pieces.take<T>(size_)),
        old_value_(pieces.take<T>(size_)),
        scores_(pieces.take<T>(rounded_up(op.room(), 64))) {}

  // Returns the number of rows that were summed anew.
  int64_t run() const {
    const int64_t at = slot_ * size_, seen = window_.seen();
    std::copy_n(keys_ + at, size_, old_key_), std::copy_n(values_ + at, size_, old_value_);
    std::copy_n(k_, size_, keys_ + at), std::copy_n(v_, size_, values_ + at);
    Math::scale(T(op_.factor()), q_, queries_ + at, size_);
    if (out_ && seen < window_.room) std::fill_n(out_, window_.room * size_, T{});
    int64_t count = 0;
    for (int64_t row = 0; row < seen; ++row) {
      if (row == slot_ || !move(row)) sum(row), ++count;
      const T* a = sums_ + row * stride();
      if (out_)
        Math::scale(Math::inverse(a[size_ + 1]), a, out_ + window_.column(row), size_,
                    window_.room);
    }
    return count;
  }

 private:
  int64_t stride() const { return size_ + RetroactiveAttention::kNumbers; }

  // False where the row must be summed anew.
  bool move(int64_t row) const {
    if (op_.refresh) return false;
    const T* query = queries_ + row * size_;
    T* a = sums_ + row * stride();
    T &offset = a[size_], &total = a[size_ + 1], &most = a[size_ + 2], &peak = a[size_ + 3];
    const T above = Math::plus(Math::dot(query, k_, size_), -offset);
    if (!(above <= T(RetroactiveAttention::kMostAbove))) return false;
    const T comes = Math::power(above);
    T moved = Math::plus(total, comes), goes = 0;
    if (window_.is_full()) {
      goes = Math::power(Math::plus(Math::dot(query, old_key_, size_), -offset));
      moved = Math::plus(moved, -goes);
    }
    if (!(moved >= T(RetroactiveAttention::kLeastShare) * most) || !std::isfinite(moved))
      return false;
    Math::add(comes, v_, a, size_);
    if (window_.is_full()) Math::add(-goes, old_value_, a, size_);
    total = moved, most = std::max(most, moved);
    T check = 0;  // NaN where an element is not finite
    for (int64_t c = 0; c < size_; ++c) check += a[c] * T(0);
    const T largest = largest_of(a);
    const bool is_kept = largest >= T(RetroactiveAttention::kLeastShare) * peak;
    peak = std::max(peak, largest);
    return check == 0 && is_kept;
  }
  T largest_of(const T* a) const {
    T largest = 0;
    for (int64_t c = 0; c < size_; ++c) largest = std::max(largest, std::abs(a[c]));
    return largest;
  }

  void sum(int64_t row) const {
    const int64_t seen = window_.seen();
    T* a = sums_ + row * stride();
    for (int64_t j = 0; j < seen; ++j)
      scores_[j] = Math::dot(queries_ + row * size_, keys_ + j * size_, size_);
    T most = std::numeric_limits<T>::lowest();
    for (int64_t j = 0; j < seen; ++j) most = std::max(most, scores_[j]);
    Math::powers(scores_, most, seen);
    std::fill_n(a, size_, T{});
    for (int64_t j = 0; j < seen; ++j) Math::add(scores_[j], values_ + j * size_, a, size_);
    a[size_] = most, a[size_ + 1] = a[size_ + 2] = Math::total(scores_, seen);
    a[size_ + 3] = largest_of(a);
  }

  const RetroactiveAttention& op_;
  const MovingWindow window_;
  const int64_t size_, slot_;
  const T *q_, *k_, *v_;
  T *queries_, *keys_, *values_, *sums_, *out_, *old_key_, *old_value_, *scores_;
};

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
