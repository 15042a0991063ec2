// The composer of an operation runs its parts on the thread that runs it, each at once.
#pragma once
#include "core/device.h"

namespace orthokit {

class Composer {
 public:
  // Checks the operation, and runs it before it returns.
  template <class Op>
  void run(const Op& op) {
    static const OpEntry& entry = *registry().find(Op::name);
    device_.check(entry, &op);
    device_.execute(entry, &op);
  }

  // Those of the CPU that share the work of each part; 0 of a GPU.
  int64_t threads() const;

  // Lives until the scope that was opened last ends, or the composition returns.
  View temporary(const Shape&, Dtype);
  View temporary(const View& like) { return temporary(shape_of(like), like.dtype); }
  class Scope {
   public:
    explicit Scope(Composer& composer) : scratch_(composer.device_) {}

   private:
    Device::ScratchScope scratch_;
  };

 private:
  friend class Device;
  Composer(Device& device, const OpEntry& entry) : device_(device), entry_(entry) {}

  Device& device_;
  const OpEntry& entry_;  // whose composition runs
};

}  // namespace orthokit
