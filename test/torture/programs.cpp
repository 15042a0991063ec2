// R7: every step of random programs within rounding of the references, on every instruction set
// that runs here, and the sets within rounding of each other; or on another device.
// R8: the same bits with any number of threads, again, awaited or queued.
#include <algorithm>
#include <cstdlib>
#include <set>

#include "commands.h"
#include "core/kernel.h"
#include "oracle.h"
#include "program.h"

namespace orthokit::torture {
namespace {

// The sets whose kernels run here, the one that the CPU's backend chose first. Another device has one.
std::vector<std::string> variants(const Device& device) {
  const std::string best = device.device_info().isa;
  if (device.kind() != Kind::kCpu) return {best};
  std::vector<std::string> all{best};
  for (const char* weaker : {"avx2", "portable"}) {
    const bool built = std::ranges::any_of(
        kernel_list(), [&](auto* k) { return std::string_view(k->variant) == weaker; });
    const bool runs = best == "avx512" || std::string_view(weaker) == "portable";
    if (built && runs && weaker != best) all.push_back(weaker);
  }
  return all;
}

// Of the CPU's kernels, those for this set.
void use(const std::string& variant) {
  for (auto* k : kernel_list())
    if (k->variant == variant) registry().find(k->op().name)->kernels[int(Kind::kCpu)] = k->run;
}

// Threads are the CPU's.
std::shared_ptr<Device> open(const std::string& on, int threads) {
  return Device::open(on, on == "cpu" ? threads : 0);
}

void write(const Case& c, Device& device, const std::vector<Bytes>& data) {
  for (size_t o = 0; o < data.size(); ++o) device.write(c.operands()[o].tensor, data[o].data());
}

}  // namespace

void check_programs(const std::string& on, uint64_t seed, int64_t count, Report& report) {
  const auto device = open(on, 2);
  const auto sets = variants(*device);
  std::set<std::string> seen;
  for (int64_t i = 0; i < count && !report.is_full(); ++i) {
    const uint64_t own = seed + uint64_t(i);
    const auto run = [&](const Step& step, Case& c, const std::vector<Bytes>& before) {
      const Oracle oracle(c, before, report);
      std::vector<Bytes> first;
      seen.insert(step.entry->info->name);
      for (auto& set : sets) {
        use(set);
        write(c, *device, before);
        c.run();
        auto after = c.read();
        std::string wrong = oracle.judge(after);
        if (wrong.empty() && !first.empty()) wrong = oracle.judge(first, after);
        if (!wrong.empty())
          report.fail(own, step.entry->info->name, step.flags, set + ": " + wrong);
        report.count("comparisons");
        if (first.empty()) first = std::move(after);
      }
      use(sets[0]);
      report.count("steps");
      return first;
    };
    caught(
        [&] {
          const Program program = random_program(own, *device, run);
          if (run_queued(program, *device) != program.results)
            report.fail(own, "", "", "queued without a pause, the program gives other bits");
        },
        [&](ErrorCode, const char* what, int32_t) { report.fail(own, "", "", what); });
    report.count("programs");
  }
  for (auto& set : sets) report.count(set);
  report.count("ops", int64_t(seen.size()));
  report.count("unseen", int64_t(registry().ops.size() - seen.size()));
}

void check_same_bits(const std::string& on, uint64_t seed, int64_t count, Report& report) {
  const auto alone = open(on, 1);
  std::vector<std::shared_ptr<Device>> devices;
  setenv("ORTHOKIT_SYNC", "1", 1);
  devices.push_back(open(on, 2));
  unsetenv("ORTHOKIT_SYNC");
  if (alone->kind() == Kind::kCpu)
    for (int threads : {1, 2, 3, 5, 8}) devices.push_back(open(on, threads));
  else
    devices.push_back(open(on, 0));
  const auto run = [&](const Step&, Case& c, const std::vector<Bytes>& before) {
    write(c, *alone, before);
    c.run();
    return c.read();
  };
  for (int64_t i = 0; i < count && !report.is_full(); ++i) {
    const uint64_t own = seed + uint64_t(i);
    const Program program = random_program(own, *alone, run);
    for (size_t d = 0; d < 2 * devices.size(); ++d) {
      const auto& device = *devices[d % devices.size()];
      const auto results = run_queued(program, *devices[d % devices.size()]);
      report.count("runs");
      for (size_t s = 0; s < results.size(); ++s)
        if (results[s] != program.results[s]) {
          report.fail(own, program.steps[s].entry->info->name, program.steps[s].flags,
                      "other bits with " + std::to_string(device.device_info().units) + " units" +
                          (d % devices.size() == 0 ? ", each call awaited" : ""));
          break;
        }
    }
    report.count("programs");
  }
}

}  // namespace orthokit::torture
