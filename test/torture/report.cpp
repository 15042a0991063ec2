#include <cstdio>

#include "bench/json.h"
#include "commands.h"

namespace orthokit::torture {

void Report::fail(uint64_t seed, const std::string& op, const std::string& flags,
                  const std::string& reason) {
  ++failures_;
  bench::JsonLine line;
  line.raw("seed", std::to_string(seed)).text("op", op).text("case", flags).text("reason", reason);
  std::printf("%s\n", line.str().c_str());
  std::fflush(stdout);
}

int Report::finish() const {
  bench::JsonLine line;
  line.raw("failures", std::to_string(failures_));
  for (auto& [what, n] : counts_) line.raw(what, std::to_string(n));
  std::printf("%s\n", line.str().c_str());
  return failures_ > 0 ? 1 : 0;
}

}  // namespace orthokit::torture
