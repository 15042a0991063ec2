#include "ptx/interpreter.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <set>

#include "device_memory.h"
#include "lock.h"
#include "options.h"
#include "places.h"
#include "ptx/library.h"
#include "ptx/machine.h"
#include "shadow.h"
#include "shared_memory.h"

namespace cudaemu::ptx {
namespace {

Library& library() {
  static Library& library = *new Library(options().ptx);
  return library;
}

std::vector<const Kernel*>& running() {
  static auto& kernels = *new std::vector<const Kernel*>;
  return kernels;
}

// Every kernel that has run, so that a finding's place can be looked up.
void remember(const Kernel& kernel) {
  if (std::ranges::find(running(), &kernel) == running().end()) running().push_back(&kernel);
}

std::vector<char> parameters_of(const Kernel& kernel, const void* const* arguments) {
  std::vector<char> bytes(kernel.parameter_bytes);
  for (size_t i = 0; i < kernel.parameters.size(); ++i)
    std::memcpy(&bytes[kernel.parameters[i].offset], arguments[i], kernel.parameters[i].bytes);
  return bytes;
}

// All of a block wait at one barrier, or have returned.
bool release(Machine& machine, std::vector<std::unique_ptr<Warp>>& warps) {
  const Split* first = nullptr;
  unsigned waiting = 0, exited = 0, yes = 0;
  const auto& code = machine.kernel->code;
  for (auto& warp : warps) {
    exited += unsigned(std::popcount(warp->exited));
    for (const Split& split : warp->splits) {
      const Instruction& i = code[size_t(split.at)];
      if (first && first->at != split.at)
        warp->fault(
            i, std::countr_zero(split.lanes), cudaErrorLaunchFailure,
            "divergent barrier: others wait at " + machine.kernel->place(code[size_t(first->at)]));
      if (!first) first = &split;
      waiting += unsigned(std::popcount(split.lanes));
      if (i.mode)
        each(split.lanes, [&](int l) { yes += (warp->at(i.b.reg)[l] != 0) != i.b.negated; });
    }
  }
  if (!first) return false;
  const Split at = *first;
  const Instruction& i = code[size_t(at.at)];
  if (exited) {
    Warp& warp = **std::ranges::find_if(warps, [](auto& w) { return !w->splits.empty(); });
    warp.fault(i, std::countr_zero(warp.splits.front().lanes), cudaErrorLaunchFailure,
               "barrier that " + std::to_string(exited) + " thread(s) skipped, which returned");
  }
  ++machine.block->barrier_clock;
  if (machine.counters) machine.counters->barrier(warps.size());
  const uint64_t results[] = {0, yes > 0, yes == waiting, yes};
  for (auto& warp : warps) {
    const Lanes lanes = warp->exists;
    if (i.mode) {
      uint64_t* d = warp->result(i.d);
      each(lanes, [&](int l) { d[l] = results[i.mode]; });
    }
    warp->splits.assign(1, {at.at + 1, lanes, Split::kRuns});
  }
  return true;
}

void run_block(Machine& machine, std::vector<std::unique_ptr<Warp>>& warps, Scheduler& scheduler) {
  for (auto& warp : warps) warp->start();
  std::vector<Warp*> order;
  for (auto& warp : warps) order.push_back(warp.get());
  if (scheduler.order() == ThreadOrder::kReverse) std::ranges::reverse(order);
  do {
    if (scheduler.order() == ThreadOrder::kRandom)
      for (size_t i = order.size(); i > 1; --i)
        std::swap(order[i - 1], order[scheduler.random() % i]);
    for (Warp* warp : order) warp->run();
  } while (release(machine, warps));
}

std::vector<Counters::Field>& last_counts() {
  static auto& counts = *new std::vector<Counters::Field>;
  return counts;
}

void write_counters(const std::string& name, const GridShape& shape, size_t shared) {
  static std::FILE* file = std::fopen(options().ptx_counters, "w");
  if (!file) stop_process("%s cannot be written", options().ptx_counters);
  const dim3 g = shape.grid, b = shape.block;
  std::fprintf(file, "{\"kernel\":\"%s\",\"grid\":[%u,%u,%u],\"block\":[%u,%u,%u],\"shared\":%zu",
               name.c_str(), g.x, g.y, g.z, b.x, b.y, b.z, shared);
  for (const auto& [field, value] : last_counts())
    std::fprintf(file, ",\"%s\":%llu", field, static_cast<unsigned long long>(value));
  std::fprintf(file, "}\n");
  std::fflush(file);
}

void interpret(Scheduler& scheduler, const Module& module, const Kernel& kernel, GridShape shape,
               const void* const* arguments) {
  remember(kernel);
  Counters counters;
  const auto parameters = parameters_of(kernel, arguments);
  const size_t shared = kernel.dynamic_offset() + shape.shared;
  if (shape.shared ? shared > shape.most_shared : kernel.shared_bytes > shape.most_shared) {
    finding(cudaErrorInvalidValue,
            "%zu bytes of shared memory, %zu of them dynamic: a GPU refuses more than %zu", shared,
            shape.shared, shape.most_shared);
    return;
  }
  GridShape asked = shape;
  asked.shared = shared;  // here all of it comes from one place
  scheduler.begin(asked);
  scheduler.interprets = true;
  Block block;
  Machine machine{&kernel, &shape, &parameters, &module.constants(),
                  nullptr, &block, nullptr,     shared};
  const bool writes = *options().ptx_counters != 0;
  if (writes || options().counts) machine.counters = &counters;
  std::vector<std::unique_ptr<Warp>> warps;
  const unsigned threads = shape.block.x * shape.block.y * shape.block.z;
  for (unsigned i = 0; i < (threads + 31) / 32; ++i)
    warps.push_back(std::make_unique<Warp>(machine, i));
  try {
    for (const uint32_t index : scheduler.block_order()) {
      scheduler.start(&block, index);
      machine.shared = block.dynamic;
      run_block(machine, warps, scheduler);
      if (scheduler.failed) break;
    }
  } catch (const AbandonedBlock&) {
    scheduler.failed = true;
  }
  current = nullptr;
  scheduler.interprets = false;
  if (!machine.counters) return;
  last_counts() = counters.fields();
  if (writes) write_counters(kernel.name, shape, shared);
}

// Writes of the host's code of a kernel are not watched.
void trust_all_memory() {
  for_each_allocation([](const Allocation& a) { shadow_write(a.start, a.bytes); });
}

bool leave_to_host(Scheduler& scheduler, const GridShape& shape, const std::string& name) {
  static auto& named = *new std::set<std::string>;
  if (named.insert(name).second)
    std::fprintf(stderr, "cudaemu: %s is not interpreted: it needs all blocks at once\n",
                 function_name(shape.launch.kernel).c_str());
  scheduler.run(shape);
  if (checking()) trust_all_memory();
  return true;
}

}  // namespace

bool chosen() { return *options().ptx; }

bool run(Scheduler& scheduler, const GridShape& shape) {
  if (!chosen()) return false;
  const Library::Entry entry = library().find(shape.launch.kernel);
  if (shape.cooperative) return leave_to_host(scheduler, shape, entry.name);
  if (!entry.module) {
    finding(cudaErrorInvalidDeviceFunction, "the PTX has no kernel %s", entry.name.c_str());
    return true;
  }
  std::vector<const void*> arguments(shape.launch.count);
  shape.launch.addresses(shape.launch.call, arguments.data());
  try {
    interpret(scheduler, *entry.module, entry.module->kernel(entry.name), shape, arguments.data());
  } catch (const Unsupported& reason) {
    finding(cudaErrorInvalidDeviceFunction, "%s", reason.what());
  }
  return true;
}

int64_t last_count(std::string_view field) {
  for (const auto& [name, value] : last_counts())
    if (field == name) return int64_t(value);
  return -1;
}

std::string place_of(const void* instruction) {
  for (const Kernel* kernel : running()) {
    const auto* begin = kernel->code.data();
    const auto* i = static_cast<const Instruction*>(instruction);
    if (!std::less<>()(i, begin) && std::less<>()(i, begin + kernel->code.size()))
      return kernel->place(*i);
  }
  return {};
}

}  // namespace cudaemu::ptx

using namespace cudaemu;

cudaError_t cudaemu_run_ptx(const char* text, const char* entry, dim3 grid, dim3 block,
                            size_t shared, const void* const* arguments) {
  const Lock lock;
  static auto& modules = *new std::map<std::string, std::unique_ptr<ptx::Module>>;
  static thread_local Scheduler of_this_thread;
  scheduler = &of_this_thread;
  const int before = finding_count();
  try {
    auto& module = modules[text];
    if (!module) module = std::make_unique<ptx::Module>(text);
    if (!module->has(entry)) throw ptx::Unsupported(std::string("there is no ") + entry);
    const DeviceAccess access;
    ptx::interpret(of_this_thread, *module, module->kernel(entry),
                   {grid, block, shared, most_shared(), {}, false}, arguments);
  } catch (const ptx::Unsupported& reason) {
    finding(cudaErrorInvalidDeviceFunction, "%s", reason.what());
  }
  scheduler = nullptr;
  return finding_count() == before ? cudaSuccess : cudaErrorLaunchFailure;
}
