// Every op on its own examples, on any device, against the references.
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <functional>

#include "bench/bounds.h"
#include "bench/commands.h"
#include "bench/json.h"
#include "bench/judged.h"
#include "bench/verify_report.h"

namespace orthokit::bench {
namespace {

// Operations that move, convert or compare numbers; all others state their sums and products.
constexpr std::string_view kMoving[] = {"carry_rows", "cast",        "check_finite",  "commit",
                                        "copy",       "cost_range",  "count_unmoved", "end_step",
                                        "fill",       "gather_rows", "place_slices",  "rearrange",
                                        "ring_write", "transpose"};
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
  JudgedLines before;             // what --against names
  VerifyReport* report;
};

// One number for all bits of a case's tensors (FNV-1a): the same in two runs unless a bit differs.
uint64_t digest_of(const std::vector<Bytes>& data) {
  uint64_t digest = 0xcbf29ce484222325;
  for (auto& bytes : data)
    for (std::byte b : bytes) digest = (digest ^ uint64_t(b)) * 0x100000001b3;
  return digest;
}

std::string digits_of(uint64_t bits) {
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016" PRIx64, bits);
  return digits;
}

// The begin of a line: of which case it is.
JsonLine begin_of(const OpEntry& entry, const std::string& flags, const Options& options,
                  const Devices& devices) {
  JsonLine line;
  line.text("op", entry.info->name).text("case", flags).text("device", options.device);
  if (is_emulated(devices.judged->device_info())) line.word("emulated", true);
  return line;
}

// A case with its results.
struct Ran {
  std::unique_ptr<Case> c;
  std::vector<Bytes> before, after;
  std::string wrong;  // with anything but the values of the results
};

Ran run_case(const OpEntry& entry, const std::string& flags, const Options& options,
             const Devices& devices) {
  Ran ran{make_case(entry, *devices.judged, flags, options.offset), {}, {}, ""};
  ran.before = ran.c->read();
  ran.c->run();
  ran.after = ran.c->read();
  ran.wrong = changed_input(*ran.c, ran.before, ran.after);
  if (!ran.wrong.empty()) return ran;
  if (auto name = ran.c->written_around(); !name.empty()) {
    ran.wrong = "bytes beside " + name + " have been written";
  } else if (devices.alone) {
    const auto on_one_thread = make_case(entry, *devices.alone, flags);
    on_one_thread->run();
    if (ran.after != on_one_thread->read()) ran.wrong = "the bits depend on the number of threads";
  }
  return ran;
}

std::string line_of(JsonLine line, const Verdict& verdict, const std::string& bits) {
  line.text("against", "reference");
  if (!verdict.tensor.empty()) line.text("tensor", verdict.tensor);
  if (verdict.reason.empty())
    line.number("error", verdict.error).number("limit", verdict.limit);
  else
    line.text("reason", verdict.reason);
  return line.text("bits", bits).word("passed", verdict.passed).str();
}

// `also` may turn a case that passed into one that failed: it says why.
bool passes(const OpEntry& entry, const std::string& flags, const Options& options,
            const Devices& devices, const std::function<std::string()>& also = {}) {
  const Reference* reference = find_reference(*entry.info);
  Verdict verdict;
  std::string bits = digits_of(0), line;
  devices.report->begin();
  caught(
      [&] {
        if (!reference) throw Error(ErrorCode::kArgument, "there is no reference");
        const Ran ran = run_case(entry, flags, options, devices);
        bits = digits_of(digest_of(ran.after));
        if (!ran.wrong.empty())
          verdict = failed(ran.wrong);
        else if (auto why = also ? also() : ""; !why.empty())
          verdict = failed(why);
        else
          line = devices.before.find(begin_of(entry, flags, options, devices).begin(), bits);
        if (line.empty() && verdict.passed)
          verdict = Bounds(*ran.c, *reference, joined_values(*ran.c, ran.before))
                        .judge(joined_values(*ran.c, ran.after));
      },
      [&](ErrorCode, const char* what, int32_t) { verdict = failed(what); });
  devices.report->end(entry.info->name, verdict.passed);
  if (line.empty()) line = line_of(begin_of(entry, flags, options, devices), verdict, bits);
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
  return verdict.passed;
}

bool verify_examples(const OpEntry& entry, const Options& options, const Devices& devices) {
  bool all_passed = true;
  double flops = 0;
  for (auto& example : entry.info->examples) {
    const bool last = &example == &entry.info->examples.back();
    const bool passed = passes(entry, example, options, devices, [&]() -> std::string {
      flops += make_case(entry, *devices.judged, example)->flops();
      const bool is_wrong = last && (flops > 0) == moves(*entry.info);
      return is_wrong ? "flops() is not what kMoving says" : "";
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
  Devices devices{Device::open(options.device, threads), {}, {}, &report};
  if (!options.against.empty()) devices.before = JudgedLines(options.against);
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
