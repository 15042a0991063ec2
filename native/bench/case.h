// One operation with its operands on one device.
#pragma once
#include <memory>

#include "bench/flags.h"

namespace orthokit::bench {

using Bytes = std::vector<std::byte>;

class Case {
 public:
  Case(const OpEntry& entry, Device& device, const std::string& flags, int64_t offset = 0);
  const OpInfo& info() const { return *entry_.info; }
  const void* op() const { return op_.get(); }
  const std::vector<Operand>& operands() const { return reader_.operands; }
  void run() { device_.run(entry_, op_.get()); }  // queues
  std::vector<Bytes> read();     // what the operands hold, once all queued work is done
  std::string written_around();  // the operand beside which bytes have been written; "": none
  double flops() const { return info().flops(op()); }
  double traffic() const;  // bytes
  // The share of the operands' bytes that is only read, read and written, only written.
  struct Mix {
    double read = 0, update = 0, write = 0;
  };
  Mix mix() const;

 private:
  const OpEntry& entry_;
  Device& device_;
  FlagReader reader_;
  std::unique_ptr<std::byte[]> op_;
};

// Like Case's constructor, with the op's name in front of what it throws.
std::unique_ptr<Case> make_case(const OpEntry& entry, Device& device, const std::string& flags,
                                int64_t offset = 0);

}  // namespace orthokit::bench
