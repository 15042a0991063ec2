// Scratch memory for the parts of a parallel region, which borrow it: one piece a thread, so that
// it stays in that thread's caches.
#pragma once
#include <atomic>
#include <new>

#include "cpu/stream.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

class Slots {
 public:
  Slots(Stream& stream, int64_t size)
      : count_(stream.threads()),
        size_((size + 7) / 8 * 8),
        taken_(stream.scratch<std::atomic<bool>>(count_)),
        data_(stream.scratch<double>(count_ * size_)) {
    for (int64_t k = 0; k < count_; ++k) new (taken_ + k) std::atomic<bool>(false);
  }
  // f(a piece): whose does not matter, as no part reads what another has left in it.
  template <class F>
  void borrow(F&& f) const {
    int64_t k = 0;
    while (taken_[k].exchange(true, std::memory_order_acquire)) k = k + 1 < count_ ? k + 1 : 0;
    f(data_ + k * size_);
    taken_[k].store(false, std::memory_order_release);
  }

 private:
  const int64_t count_, size_;
  std::atomic<bool>* taken_;
  double* data_;
};

// The same for elements of another type.
template <class T>
class SlotsOf {
 public:
  SlotsOf(Stream& stream, int64_t size)
      : slots_(stream, (size * int64_t(sizeof(T)) + 7) / int64_t(sizeof(double))) {}
  template <class F>
  void borrow(F&& f) const {
    slots_.borrow([&](double* piece) { f(reinterpret_cast<T*>(piece)); });
  }

 private:
  const Slots slots_;
};

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
