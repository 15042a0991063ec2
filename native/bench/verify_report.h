// Report of a run of --verify, what it did and how long it took, for scripts/test-table.mjs: a file
// in the folder that ORTHOKIT_TEST_REPORT names. Lines on standard output stay the same in every
// run, so times are not among them.
#pragma once
#include <ctime>
#include <map>
#include <string>

#include "bench/commands.h"

namespace orthokit::bench {

class VerifyReport {
 public:
  // A case of this op begins, or has ended.
  void begin() { begin_ = std::clock(); }
  void end(const char* op, bool passed) {
    auto& sum = sums_[op];
    sum.ticks += std::clock() - begin_, ++sum.cases, failed_ += !passed;
  }
  // Nothing, where no folder is named.
  void write(const Options&, const DeviceInfo&) const;

 private:
  struct Sum {
    std::clock_t ticks = 0;  // of processor time, all threads
    int cases = 0;
  };
  std::map<std::string, Sum> sums_;
  std::clock_t begin_ = 0;
  int failed_ = 0;
};

}  // namespace orthokit::bench
