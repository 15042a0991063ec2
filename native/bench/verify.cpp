// Every op on its own examples, on any device, against the references.
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <functional>

#include "bench/bounds.h"
#include "bench/commands.h"
#include "bench/json.h"
#include "bench/verify_report.h"

namespace orthokit::bench {
namespace {

// Operations that move, convert or compare numbers; all others state their sums and products.
constexpr std::string_view kMoving[] = {"carry_rows",   "cast",       "check_finite", "commit",
                                        "copy",         "cost_range", "fill",         "gather_rows",
                                        "place_slices", "rearrange",  "transpose"};
constexpr int kThreads = 3;  // no divisor of the usual counts of chunks

bool moves(const OpInfo& op) { return std::ranges::count(kMoving, std::string_view(op.name)) > 0; }

Verdict failed(const std::string& reason) {
  Verdict verdict;
  verdict.reason = reason, verdict.passed = false;
  return verdict;
}

struct Devices {
  std::shared_ptr<Device> judged;
  std::shared_ptr<Device> alone;  // the CPU with one thread, where the CPU is judged
  VerifyReport* report;
};

// One number for all bits of a case's tensors (FNV-1a): the same in two runs unless a bit differs.
uint64_t digest_of(const std::vector<Bytes>& data) {
  uint64_t digest = 0xcbf29ce484222325;
  for (auto& bytes : data)
    for (std::byte b : bytes) digest = (digest ^ uint64_t(b)) * 0x100000001b3;
  return digest;
}

Verdict verify_case(const OpEntry& entry, const std::string& flags, const Options& options,
                    const Devices& devices, uint64_t& bits) {
  const Reference* reference = find_reference(*entry.info);
  if (!reference) return failed("there is no reference");
  const auto c = make_case(entry, *devices.judged, flags, options.offset);
  const auto before = c->read();
  c->run();
  const auto after = c->read();
  bits = digest_of(after);
  if (auto what = changed_input(*c, before, after); !what.empty()) return failed(what);
  if (auto name = c->written_around(); !name.empty())
    return failed("bytes beside " + name + " have been written");
  if (devices.alone) {
    const auto on_one_thread = make_case(entry, *devices.alone, flags);
    on_one_thread->run();
    if (after != on_one_thread->read()) return failed("the bits depend on the number of threads");
  }
  return Bounds(*c, *reference, joined_values(*c, before)).judge(joined_values(*c, after));
}

void print_line(const OpEntry& entry, const std::string& flags, const Options& options,
                const Verdict& verdict, const Devices& devices, uint64_t bits) {
  JsonLine line;
  line.text("op", entry.info->name).text("case", flags).text("device", options.device);
  if (is_emulated(devices.judged->device_info())) line.word("emulated", true);
  line.text("against", "reference");
  if (!verdict.tensor.empty()) line.text("tensor", verdict.tensor);
  if (verdict.reason.empty())
    line.number("error", verdict.error).number("limit", verdict.limit);
  else
    line.text("reason", verdict.reason);
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016" PRIx64, bits);
  line.text("bits", digits);
  std::printf("%s\n", line.word("passed", verdict.passed).str().c_str());
  std::fflush(stdout);
}

// `also`, where it is given, may turn a case that passed into one that failed.
bool passes(const OpEntry& entry, const std::string& flags, const Options& options,
            const Devices& devices, const std::function<void(Verdict&)>& also = {}) {
  Verdict verdict;
  uint64_t bits = 0;
  devices.report->begin();
  caught(
      [&] {
        verdict = verify_case(entry, flags, options, devices, bits);
        if (also) also(verdict);
      },
      [&](ErrorCode, const char* what, int32_t) { verdict = failed(what); });
  devices.report->end(entry.info->name, verdict.passed);
  print_line(entry, flags, options, verdict, devices, bits);
  return verdict.passed;
}

bool verify_examples(const OpEntry& entry, const Options& options, const Devices& devices) {
  bool all_passed = true;
  double flops = 0;
  for (auto& example : entry.info->examples) {
    const bool last = &example == &entry.info->examples.back();
    const bool passed = passes(entry, example, options, devices, [&](Verdict& verdict) {
      flops += make_case(entry, *devices.judged, example)->flops();
      if (last && (flops > 0) == moves(*entry.info))
        verdict = failed("flops() is not what kMoving says");
    });
    all_passed = all_passed && passed;
  }
  return all_passed;
}

bool verify_cases(const std::string& path, const Options& options, const Devices& devices) {
  std::ifstream file(path);
  if (!file) throw Error(ErrorCode::kArgument, "--cases: " + path + " cannot be read");
  bool all_passed = true;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line.starts_with('#')) continue;
    const size_t space = std::min(line.find(' '), line.size());
    const OpEntry* entry = registry().find(line.substr(0, space));
    if (!entry) throw Error(ErrorCode::kArgument, "--cases: there is no op in: " + line);
    const bool passed =
        passes(*entry, line.substr(std::min(space + 1, line.size())), options, devices);
    all_passed = all_passed && passed;
  }
  return all_passed;
}

}  // namespace

int verify(const Options& options) {
  const int threads = options.device == "cpu" || options.device == "auto" ? kThreads : 0;
  VerifyReport report;
  Devices devices{Device::open(options.device, threads), {}, &report};
  if (devices.judged->kind() == Kind::kCpu) devices.alone = Device::open("cpu", 1);
  bool all_passed = true;
  if (!options.cases.empty())
    all_passed = verify_cases(options.cases, options, devices);
  else
    for (auto& entry : registry().ops) {
      const bool passed = verify_examples(*entry, options, devices);
      all_passed = all_passed && passed;
    }
  report.write(options, devices.judged->device_info());
  return all_passed ? 0 : 1;
}

}  // namespace orthokit::bench
