#include "bench/verify_report.h"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "bench/json.h"
#include "core/error.h"

namespace orthokit::bench {
namespace {

// Variables that decide which code runs, in what order.
constexpr const char* kNames[] = {"ORTHOKIT_CPU",
                                  "ORTHOKIT_CUBLAS",
                                  "ORTHOKIT_SYMMETRIC",
                                  "ORTHOKIT_EMULATOR_ORDER",
                                  "ORTHOKIT_EMULATOR_STREAMS",
                                  "ORTHOKIT_EMULATOR_PTX",
                                  "ORTHOKIT_EMULATOR_CC"};

std::string environment() {
  JsonLine line;
  for (const char* name : kNames)
    if (const char* value = std::getenv(name); value && *value) line.text(name, value);
  return line.str();
}

// The folder of the binary, which is named after its preset: cpu, emulated, checked.
std::string preset() {
  std::error_code unknown;
  return std::filesystem::read_symlink("/proc/self/exe", unknown).parent_path().filename();
}

}  // namespace

void VerifyReport::write(const Options& options, const DeviceInfo& info) const {
  const char* folder = std::getenv("ORTHOKIT_TEST_REPORT");
  if (!folder || !*folder) return;
  std::string ops;
  for (auto& [name, sum] : sums_) {
    JsonLine op;
    op.text("op", name).number("cases", sum.cases);
    op.number("processorMs", 1e3 * double(sum.ticks) / CLOCKS_PER_SEC);
    ops += (ops.empty() ? "" : ",") + op.str();
  }
  JsonLine line;
  line.text("device", options.device).text("isa", info.isa).text("build", preset());
  line.raw("environment", environment()).text("cases", options.cases);
  line.text("against", options.against);
  line.number("failed", failed_).raw("ops", "[" + ops + "]");
  std::filesystem::create_directories(folder);
  const auto now = std::chrono::system_clock::now().time_since_epoch().count();
  const std::string path = std::string(folder) + "/verify-" + std::to_string(now) + ".json";
  if (!(std::ofstream(path) << line.str() << '\n'))
    throw Error(ErrorCode::kIo, "--verify: " + path + " cannot be written");
}

}  // namespace orthokit::bench
