// Commands of main(); each prints JSON lines and returns the exit code.
#pragma once
#include <string>
#include <string_view>

#include "bench/clock.h"
#include "core/registry.h"

namespace orthokit::bench {

struct Options {
  std::string device = "cpu";
  int threads = 0;     // 0: the device's default
  bool small = false;  // the examples instead of the timing cases
  int rounds = kRounds;
  int64_t offset = 0;  // of operands in their blocks, in elements
  std::string
      cases;  // a file of cases to verify instead of the examples, "op field=value …" a line
  std::string against;  // a file of what --verify has said: of the same bits it is said again
};

// A line that an emulated device gives says so: its times are not those of a GPU.
inline bool is_emulated(const DeviceInfo& info) {
  return std::string_view(info.name).find("emulator") != std::string_view::npos;
}

int demands();
int verify(const Options&);
int measure(const OpEntry&, const std::string& flags, const Options&);
int measure_all(const Options&);
int symmetric_choices(const Options&);

}  // namespace orthokit::bench
