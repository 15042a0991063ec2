// Times one case beside the machine's ceilings and a baseline, and prints one line.
#include <cstdio>

#include "bench/baseline.h"
#include "bench/ceilings.h"
#include "bench/commands.h"
#include "bench/json.h"

namespace orthokit::bench {
namespace {

// "4096x1024,31*12" of the first field that holds tensors.
std::string shape_of(const Case& c) {
  std::vector<std::pair<std::string, int>> shapes;  // and how many of them in a row
  for (auto& o : c.operands()) {
    if (o.name != c.operands()[0].name) break;
    std::string text;
    const View& v = o.tensor;
    for (int i = 0; i < v.rank; ++i) text += (i ? "x" : "") + std::to_string(v.shape[i]);
    if (shapes.empty() || shapes.back().first != text) shapes.emplace_back(text, 0);
    ++shapes.back().second;
  }
  std::string all;
  for (auto& [text, count] : shapes)
    all += (all.empty() ? "" : ",") + text + (count > 1 ? "*" + std::to_string(count) : "");
  return all;
}

// Large enough for the device to be at its best, and small where products take long.
int64_t gemm_side(const Device& device, const Options& options) {
  if (is_emulated(device.device_info())) return 128;
  if (options.small) return 384;
  return device.kind() == Kind::kCpu ? 1024 : 4096;
}

void measure_case(const OpEntry& entry, const std::string& flags, const Options& options) {
  auto device = Device::open(options.device, options.threads);
  const DeviceInfo info = device->device_info();
  const bool on_cpu = device->kind() == Kind::kCpu;
  const int threads = options.threads > 0 ? options.threads : info.units;
  const bool one_thread = on_cpu && threads == 1;
  const Clock clock(one_thread);
  const auto c = make_case(entry, *device, flags);
  device->run(entry, c->op());
  device->synchronize();  // what is wrong with the case shows before anything is timed

  const double bytes = c->traffic(), flops = c->flops();
  const Dtype dtype = c->operands().empty() ? Dtype::kF32 : c->operands()[0].tensor.view().dtype;
  Ceiling stream, gemm;
  if (bytes > 0) stream = stream_ceiling(*c, *device, threads, clock);
  if (flops > 0)
    gemm = gemm_ceiling(*device, dtype == Dtype::kF64 ? dtype : Dtype::kF32,
                        gemm_side(*device, options), clock);
  Racer racer([&] { c->run(); }, *device, clock);
  const Baseline baseline = make_baseline(*c, *device, clock);
  std::vector<Racer*> racers{&racer};
  for (auto* other : {stream.racer.get(), gemm.racer.get(), baseline.racer.get()})
    if (other) racers.push_back(other);
  const auto times = race(racers, options.rounds);
  // CPU time has no noise worth the name; on the wall only the best round is free of neighbours.
  const auto seconds_of = [&](Racer* r) {
    const Times& t = times[size_t(std::ranges::find(racers, r) - racers.begin())];
    return one_thread ? t.median : t.least;
  };
  const double seconds = seconds_of(&racer);
  double bandwidth = 0, rate = 0, floor = 0;
  if (stream.racer) {
    bandwidth = stream.amount / seconds_of(stream.racer.get());
    floor = bytes / bandwidth;
  }
  if (gemm.racer) {
    rate = gemm.amount / seconds_of(gemm.racer.get());
    floor = std::max(floor, flops / rate);
  }

  JsonLine line, ceiling;
  if (bandwidth > 0) ceiling.number("gbps", bandwidth / 1e9);
  if (rate > 0) ceiling.number("gflops", rate / 1e9);
  line.text("op", entry.info->name)
      .text("shape", shape_of(*c))
      .text("dtype", kDtypeNames[int(dtype)]);
  line.text("device", options.device);
  if (on_cpu) line.number("threads", threads);
  line.number("median_ms", times[0].median * 1e3)
      .number("min_ms", times[0].least * 1e3)
      .number("spread", times[0].spread)
      .number("rounds", options.rounds)
      .text("clock", device->has_clock() ? "device"
                     : one_thread        ? "cpu"
                                         : "wall");
  if (bytes > 0) line.number("gbps", bytes / seconds / 1e9);
  if (flops > 0) line.number("gflops", flops / seconds / 1e9);
  if (floor > 0) line.raw("ceiling", ceiling.str()).number("ratio_to_floor", seconds / floor);
  line.text("baseline", baseline.name)
      .number("ratio_to_baseline", seconds / seconds_of(baseline.racer.get()));
  line.text(on_cpu ? "cpu" : "gpu", info.name);
  if (is_emulated(info)) line.word("emulated", true);
  line.text("isa", info.isa);
  line.text("blas_core", info.blas).text("commit", ORTHOKIT_COMMIT).text("case", flags);
  std::printf("%s\n", line.str().c_str());
  std::fflush(stdout);
}

}  // namespace

int measure(const OpEntry& entry, const std::string& flags, const Options& options) {
  const auto& info = *entry.info;
  const auto& known = options.small || info.cases.empty() ? info.examples : info.cases;
  if (!flags.empty())
    measure_case(entry, flags, options);
  else
    for (auto words : known) measure_case(entry, words, options);
  return 0;
}

int measure_all(const Options& options) {
  for (auto& entry : registry().ops) measure(*entry, "", options);
  return 0;
}

}  // namespace orthokit::bench
