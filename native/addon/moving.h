// Elements on their way to other memory, while work on the tensor goes on.
#pragma once
#include <cstddef>
#include <memory>
#include <utility>

#include "core/stream.h"
#include "core/tensor.h"

namespace orthokit {

// Owns the bytes of a tensor that moves, and of its parts that are made meanwhile: both places stay
// until it is known that the elements have arrived. From the call on, tensors are at the new one;
// where the move has failed they go back before anything else is queued on them. Work that was
// queued in between is skipped: see Device::move.
class Moving {
 public:
  Moving(Tensor from, Tensor to) : from_(std::move(from)), to_(std::move(to)) {}

  const Tensor& from() const { return from_; }
  const Tensor& to() const { return to_; }
  const std::shared_ptr<Flag>& failed() const { return failed_; }
  // On the thread of the tensors, once it is over: the place that is needed no more is let go.
  void end() { (*failed_ ? to_ : from_) = {}; }
  static Tensor begin(const std::shared_ptr<Moving>& self) { return {self->to_.view(), self}; }
  // A tensor, or a part, of the new place at the old one.
  static Tensor back(const std::shared_ptr<Moving>& self, const Tensor& tensor) {
    View view = tensor.view();
    const auto* at = static_cast<const std::byte*>(view.data);
    view.data = self->old_ + (at - self->new_);
    return {view, self};
  }

 private:
  Tensor from_, to_;
  std::byte* const old_ = static_cast<std::byte*>(from_.view().data);
  const std::byte* const new_ = static_cast<const std::byte*>(to_.view().data);
  const std::shared_ptr<Flag> failed_ = std::make_shared<Flag>(false);
};

}  // namespace orthokit
