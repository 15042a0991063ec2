// Bytes of tensors that JS holds, as its garbage collector hears of them: it runs the sooner, the
// more there are.
#pragma once
#include <node_api.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

namespace orthokit {

// The collector hears of every rise above what it has heard, and of falls only in so far as they
// are larger than a slack. Of a large tensor that is made and disposed of again and again it hears
// once: else each would have garbage collected, milliseconds of the event loop that free nothing.
class HeldBytes {
 public:
  void add(napi_env env, int64_t bytes) {
    held_ += bytes;
    const int64_t told = std::clamp(told_, held_, held_ + slack_);
    if (told == told_) return;
    int64_t now;
    napi_adjust_external_memory(env, told - told_, &now);
    told_ = told;
  }

 private:
  // So much garbage may stay, beside what the collector itself allows.
  const int64_t slack_ = std::min<int64_t>(
      int64_t(256) << 20, int64_t(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE) / 32);
  int64_t held_ = 0, told_ = 0;
};

}  // namespace orthokit
