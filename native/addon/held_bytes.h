// Bytes of tensors that JS holds, as its garbage collector hears of them: it runs the sooner, the
// more there are.
#pragma once
#include <node_api.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <utility>

#include "core/small_file.h"

namespace orthokit {

// Bytes that the process may have: of the machine, or of its control group, where that has fewer.
inline double most_memory() {
  double most = double(sysconf(_SC_PHYS_PAGES)) * double(sysconf(_SC_PAGESIZE));
  for (const char* file :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"})
    if (const double limit = std::strtod(text_of_file(file).c_str(), nullptr); limit > 0)
      most = std::min(most, limit);
  return most;
}

// The collector hears of every rise above what it has heard, and of falls only in so far as they
// are larger than a slack. Of a tensor of up to so many bytes that is made and disposed of again
// and again it hears once: else each would have garbage collected, milliseconds of the event loop
// that free nothing.
class HeldBytes {
 public:
  void add(napi_env env, int64_t bytes) {
    held_ += bytes;
    const int64_t told = std::clamp(told_, held_, held_ + slack_);
    const int64_t change = told - std::exchange(told_, told);
    int64_t now;
    if (change != 0) napi_adjust_external_memory(env, change, &now);
  }

 private:
  // So much garbage may stay, beside what the collector itself allows.
  const int64_t slack_ = int64_t(std::min(0x1p28, most_memory() / 32));
  int64_t held_ = 0, told_ = 0;
};

}  // namespace orthokit
