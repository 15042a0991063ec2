// orthokit_torture: random programs and refusals, over all operations of the registry.
#include <cstdio>

#include "bench/flags.h"
#include "bench/json.h"
#include "commands.h"
#include "core/plugin.h"

using namespace orthokit;
using namespace orthokit::torture;

namespace {

constexpr const char* kUsage =
    "usage: orthokit_torture programs|same-bits [--seed n] [--count n] [--device cpu|cuda]\n"
    "       orthokit_torture claims|convictions\n";

int run(int count, char** words) {
  const std::string command = count > 1 ? words[1] : "";
  std::string device = "cpu";
  int64_t seed = 1, programs = 100;
  for (int i = 2; i < count; i += 2) {
    const std::string name = words[i];
    if (name == "--device" && i + 1 < count) {
      device = words[i + 1];
      continue;
    }
    int64_t* value = name == "--seed" ? &seed : name == "--count" ? &programs : nullptr;
    if (!value || i + 1 == count) throw Error(ErrorCode::kArgument, kUsage);
    *value = bench::integer_from(name, words[i + 1]);
  }
  Report report;
  if (command == "programs")
    check_programs(device, uint64_t(seed), programs, report);
  else if (command == "same-bits")
    check_same_bits(device, uint64_t(seed), programs, report);
  else if (command == "claims")
    check_claims(report);
  else if (command == "convictions")
    check_convictions(report);
  else
    throw Error(ErrorCode::kArgument, kUsage);
  return report.finish();
}

}  // namespace

int main(int count, char** words) {
  const std::string self = words[0];
  set_plugin_folder(self.substr(0, self.find_last_of('/') + 1) + ".");
  int result = 2;
  caught([&] { result = run(count, words); },
         [](ErrorCode, const char* what, int32_t) { std::fprintf(stderr, "%s\n", what); });
  return result;
}
