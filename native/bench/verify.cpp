// Every op on its own examples: the CPU against the references, other devices against the CPU.
#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "bench/commands.h"
#include "bench/compare.h"
#include "bench/json.h"

namespace orthokit::bench {
namespace {

// Operations that move, convert or compare numbers; all others state their sums and products.
constexpr std::string_view kMoving[] = {"cast", "check_finite", "copy",     "cost_range",
                                        "fill", "gather_rows",  "transpose"};
constexpr int kOtherThreads = 3;  // no divisor of the usual counts of chunks

bool moves(const OpInfo& op) { return std::ranges::count(kMoving, std::string_view(op.name)) > 0; }

Verdict failed(const std::string& reason) { return {"", reason, 0, 0, false}; }

struct Devices {
  std::shared_ptr<Device> cpu, other;
  bool own_reference;  // the device is the CPU itself, and `other` has more threads
};

// One number for all bits of a case's tensors (FNV-1a): the same in two runs unless a bit differs.
uint64_t digest_of(const std::vector<Bytes>& data) {
  uint64_t digest = 0xcbf29ce484222325;
  for (auto& bytes : data)
    for (std::byte b : bytes) digest = (digest ^ uint64_t(b)) * 0x100000001b3;
  return digest;
}

Verdict verify_case(const OpEntry& entry, const std::string& flags, const Devices& devices,
                    uint64_t& bits) {
  const Reference* reference = find_reference(*entry.info);
  if (!reference) return failed("there is no reference");
  auto on_cpu = make_case(entry, *devices.cpu, flags),
       on_other = make_case(entry, *devices.other, flags);
  const double growth = reference->growth(on_cpu->op());
  const auto before = on_cpu->read();
  on_cpu->run(), on_other->run();
  const auto after = on_cpu->read(), after_other = on_other->read();
  bits = digest_of(after_other);
  if (auto what = changed_input(*on_other, before, after_other); !what.empty()) return failed(what);
  const auto actual = joined_values(*on_cpu, after);
  // Both sides are off the exact result, each by as much as its kernel may be.
  if (!devices.own_reference)
    return compare(*on_other, actual, joined_values(*on_other, after_other), 2 * growth);
  if (after != after_other) return failed("the bits depend on the number of threads");
  return compare(*on_cpu,
                 reference_values(*on_cpu, *reference, joined_values(*on_cpu, before), growth == 0),
                 actual, growth);
}

}  // namespace

int verify(const Options& options) {
  const int threads = options.device.starts_with("cuda") ? 0 : kOtherThreads;
  Devices devices{Device::open("cpu", 1), Device::open(options.device, threads), false};
  devices.own_reference = devices.other->kind() == Kind::kCpu;
  bool all_passed = true;
  for (auto& entry : registry().ops) {
    double flops = 0;
    for (auto& example : entry->info->examples) {
      Verdict verdict;
      uint64_t bits = 0;
      caught(
          [&] {
            verdict = verify_case(*entry, example, devices, bits);
            flops += make_case(*entry, *devices.cpu, example)->flops();
            const bool last = &example == &entry->info->examples.back();
            if (last && (flops > 0) == moves(*entry->info))
              verdict = failed("flops() is not what kMoving says");
          },
          [&](ErrorCode, const char* what, int32_t) { verdict = failed(what); });
      all_passed = all_passed && verdict.passed;
      JsonLine line;
      line.text("op", entry->info->name).text("case", example).text("device", options.device);
      line.text("against", devices.own_reference ? "reference" : "cpu");
      if (!verdict.tensor.empty()) line.text("tensor", verdict.tensor);
      if (verdict.reason.empty())
        line.number("error", verdict.error).number("limit", verdict.limit);
      if (!verdict.reason.empty()) line.text("reason", verdict.reason);
      char digits[17];
      std::snprintf(digits, sizeof digits, "%016" PRIx64, bits);
      line.text("bits", digits);
      std::printf("%s\n", line.word("passed", verdict.passed).str().c_str());
      std::fflush(stdout);
    }
  }
  return all_passed ? 0 : 1;
}

}  // namespace orthokit::bench
