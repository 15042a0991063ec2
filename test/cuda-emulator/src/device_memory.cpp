#include "device_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <vector>

#include "options.h"
#include "shadow.h"

namespace cudaemu {
namespace {

constexpr size_t kAlignment = 256;  // what CUDA promises; also the unwritable gap behind each range

size_t rounded(size_t bytes) {
  return (std::max<size_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
}

struct Device {
  char *begin, *end;
  char* cursor;  // a freed range is used again as late as possible
  size_t used = 0;
};
struct Memory {
  char* start = nullptr;
  size_t bytes = 0, of_each = 0;
  std::vector<Device> devices;
  std::map<char*, Allocation> live;
  uint64_t allocations = 0;
  std::map<const char*, size_t> pinned;
  int accesses = 0;
};
Memory& memory() {
  static Memory& memory = *new Memory;
  return memory;
}

void reserve() {
  Memory& m = memory();
  if (m.start) return;
  // More addresses than memory: gaps and fragments cost none of it.
  m.of_each = rounded(options().memory) * 2;
  m.bytes = m.of_each * kMostDevices;
  void* start = mmap(nullptr, m.bytes, options().protect ? PROT_NONE : PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (start == MAP_FAILED) stop_process("no addresses for %zu bytes of device memory", m.bytes);
  m.start = static_cast<char*>(start);
  for (char* at = m.start; at < m.start + m.bytes; at += m.of_each)
    m.devices.push_back({at, at + m.of_each, at});
}

// The first place in [from, to) with room for `need` bytes and a gap on both sides.
char* find_room(char* from, char* to, size_t need) {
  auto& live = memory().live;
  char* at = from;
  auto next = live.lower_bound(at);
  if (next != live.begin()) {
    const Allocation& before = std::prev(next)->second;
    at = std::max(at, before.start + rounded(before.bytes) + kAlignment);
  }
  for (; next != live.end() && next->first < at + need + kAlignment; ++next)
    at = next->first + rounded(next->second.bytes) + kAlignment;
  return at + need + kAlignment <= to ? at : nullptr;
}

}  // namespace

char* device_memory() { return memory().start; }
size_t device_memory_bytes() { return memory().bytes; }
int device_of(const void* p) {
  return int(size_t(static_cast<const char*>(p) - memory().start) / memory().of_each);
}

void* allocate(int device, size_t bytes) {
  reserve();
  Device& d = memory().devices[size_t(device)];
  const size_t need = rounded(bytes);
  // Released memory stays unused for a lap. A short one takes no new memory of the host each time.
  constexpr size_t kLap = size_t(128) << 20;
  if (d.cursor > d.begin + kLap && d.used < kLap / 2) d.cursor = d.begin;
  if (bytes > options().memory || d.used + need > options().memory) return nullptr;
  char* at = find_room(d.cursor, d.end, need);
  if (!at) at = find_room(d.begin, d.end, need);
  if (!at) return nullptr;
  d.cursor = at + need + kAlignment;
  d.used += need;
  memory().live[at] = {at, bytes, ++memory().allocations, device};
  const DeviceAccess access;
  std::memset(at, 0xff, bytes);
  if (checking()) shadow_allocate(at, bytes);
  return at;
}

cudaError_t release(void* p) {
  auto& live = memory().live;
  const auto found = live.find(static_cast<char*>(p));
  if (found == live.end()) {
    finding(cudaErrorInvalidValue, "free of %p, which is not the start of a live allocation", p);
    return cudaErrorInvalidValue;
  }
  const Allocation allocation = found->second;
  live.erase(found);
  memory().devices[size_t(allocation.device)].used -= rounded(allocation.bytes);
  const DeviceAccess access;
  std::memset(p, 0xdd, allocation.bytes);
  if (checking()) shadow_free(p, allocation.bytes);
  return cudaSuccess;
}

void release_all() {
  while (!memory().live.empty()) release(memory().live.begin()->first);
}

const Allocation* find_allocation(const void* p) {
  auto& live = memory().live;
  auto found = live.upper_bound(const_cast<char*>(static_cast<const char*>(p)));
  if (found == live.begin()) return nullptr;
  const Allocation& allocation = (--found)->second;
  return static_cast<const char*>(p) < allocation.start + allocation.bytes ? &allocation : nullptr;
}

bool is_device_range(const void* p, size_t bytes) {
  const Allocation* allocation = find_allocation(p);
  return allocation &&
         bytes <= size_t(allocation->start + allocation->bytes - static_cast<const char*>(p));
}

void for_each_allocation(const std::function<void(const Allocation&)>& visit) {
  for (const auto& [start, allocation] : memory().live) visit(allocation);
}
int live_allocations() { return int(memory().live.size()); }
size_t used_bytes(int device) {
  return memory().devices.empty() ? 0 : memory().devices[size_t(device)].used;
}

void add_pinned(void* p, size_t bytes) { memory().pinned[static_cast<const char*>(p)] = bytes; }
bool remove_pinned(void* p) { return memory().pinned.erase(static_cast<const char*>(p)) > 0; }
bool is_pinned(const void* p, size_t bytes) {
  auto& pinned = memory().pinned;
  auto found = pinned.upper_bound(static_cast<const char*>(p));
  if (found == pinned.begin()) return false;
  --found;
  return static_cast<const char*>(p) + bytes <= found->first + found->second;
}
int live_pinned() { return int(memory().pinned.size()); }

DeviceAccess::DeviceAccess() {
  Memory& m = memory();
  if (options().protect && m.start && m.accesses++ == 0)
    mprotect(m.start, m.bytes, PROT_READ | PROT_WRITE);
}
DeviceAccess::~DeviceAccess() {
  Memory& m = memory();
  if (options().protect && m.start && --m.accesses == 0) mprotect(m.start, m.bytes, PROT_NONE);
}

}  // namespace cudaemu
