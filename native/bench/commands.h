// What main() dispatches to; each prints JSON lines and returns the exit code.
#pragma once
#include <string>

#include "core/registry.h"

namespace orthokit::bench {

struct Options {
  std::string device = "cpu";
  int threads = 0;     // 0: the device's default
  bool small = false;  // the examples instead of the timing cases
};

int verify(const Options&);
int measure(const OpEntry&, const std::string& flags, const Options&);
int measure_all(const Options&);
int symmetric_choices(const Options&);

}  // namespace orthokit::bench
