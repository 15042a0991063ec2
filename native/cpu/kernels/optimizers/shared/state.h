// A block of one state tensor in the type that is computed in: brought in at the start, taken home
// at the end.
#pragma once
#include "cpu/ask_for.h"
#include "cpu/convert.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T>
class State {
 public:
  State(const View& v, int64_t at, int64_t n)
      : view_(v), at_(at), size_(n), data_(target(v, at, buffer_)) {
    load(v, at, n, buffer_);
    ask_for(data_ + n, n * int64_t(sizeof(T)));  // of the next block
  }
  ~State() { store(view_, at_, size_, data_); }
  State(const State&) = delete;
  T* data() { return data_; }
  // The storage is of type T: what is written is what a later step reads.
  bool is_rounded() const { return data_ != buffer_; }
  // Rounds the values as their storage will: what is derived of them now equals what is derived of
  // them later.
  void round() {
    store(view_, at_, size_, data_);
    load(view_, at_, size_, buffer_);
  }

 private:
  const View& view_;
  int64_t at_, size_;
  T* data_;
  alignas(64) T buffer_[kBlock];
};

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
