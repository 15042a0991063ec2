#include "device_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <vector>

#include "options.h"
#include "shadow.h"
#include "shared_blocks.h"

namespace cudaemu {
namespace {

constexpr size_t kAlignment = 256;  // what CUDA promises; also the unwritable gap behind each range

size_t rounded(size_t bytes, size_t unit = kAlignment) {
  return (std::max<size_t>(bytes, 1) + unit - 1) / unit * unit;
}
size_t unit_of(Origin origin) {
  return origin == Origin::kPool ? kAlignment : size_t(sysconf(_SC_PAGESIZE));
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

char* aligned(char* at, size_t unit) {
  return at + (unit - reinterpret_cast<uintptr_t>(at) % unit) % unit;
}

// The first place in [from, to) with room for `need` bytes and a gap on both sides, at a multiple of
// the unit.
char* find_room(char* from, char* to, size_t need, size_t unit) {
  auto& live = memory().live;
  char* at = aligned(from, unit);
  const auto pass = [&](const Allocation& other) {
    at = std::max(at, aligned(other.start + other.room + kAlignment, unit));
  };
  auto next = live.lower_bound(at);
  if (next != live.begin()) pass(std::prev(next)->second);
  for (; next != live.end() && next->first < at + need + kAlignment; ++next) pass(next->second);
  return at + need + kAlignment <= to ? at : nullptr;
}

// Addresses for a new block; null: there are none.
const Allocation* place(int device, size_t bytes, Origin origin) {
  Device& d = memory().devices[size_t(device)];
  const size_t unit = unit_of(origin), room = rounded(bytes, unit);
  char* at = find_room(d.cursor, d.end, room, unit);
  if (!at) at = find_room(d.begin, d.end, room, unit);
  if (!at) return nullptr;
  d.cursor = at + room + kAlignment;
  return &(memory().live[at] = {at, bytes, room, ++memory().allocations, device, origin});
}

}  // namespace

char* device_memory() { return memory().start; }
size_t device_memory_bytes() { return memory().bytes; }
int device_of(const void* p) {
  return int(size_t(static_cast<const char*>(p) - memory().start) / memory().of_each);
}

void* allocate(int device, size_t bytes, Origin origin) {
  reserve();
  Device& d = memory().devices[size_t(device)];
  const size_t need = rounded(bytes);
  // Released memory stays unused for a lap. A short one takes no new memory of the host each time.
  constexpr size_t kLap = size_t(128) << 20;
  if (d.cursor > d.begin + kLap && d.used < kLap / 2) d.cursor = d.begin;
  if (bytes > options().memory || d.used + need > options().memory) return nullptr;
  const Allocation* allocation = place(device, bytes, origin);
  if (!allocation) return nullptr;
  d.used += need;
  const DeviceAccess access;
  std::memset(allocation->start, 0xff, bytes);
  if (checking()) shadow_allocate(allocation->start, bytes);
  return allocation->start;
}

cudaError_t release(void* p) {
  auto& live = memory().live;
  const auto found = live.find(static_cast<char*>(p));
  if (found == live.end()) {
    finding(cudaErrorInvalidValue, "free of %p, which is not the start of a live allocation", p);
    return cudaErrorInvalidValue;
  }
  if (found->second.origin == Origin::kOtherProcess) {
    finding(cudaErrorInvalidValue, "free of %p, which is memory of another process", p);
    return cudaErrorInvalidValue;
  }
  const Allocation allocation = found->second;
  live.erase(found);
  memory().devices[size_t(allocation.device)].used -= rounded(allocation.bytes);
  const DeviceAccess access;
  std::memset(p, 0xdd, allocation.bytes);
  if (end_sharing(allocation.start)) map_pages(allocation, -1, 0);
  if (checking()) shadow_free(p, allocation.bytes);
  return cudaSuccess;
}

void release_all() {
  while (!memory().live.empty()) {
    const Allocation& first = memory().live.begin()->second;
    if (first.origin == Origin::kOtherProcess)
      close_block(first.start);
    else
      release(first.start);
  }
}

void map_pages(const Allocation& allocation, int file, size_t offset) {
  const int kind = file < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED;
  const DeviceAccess access;
  if (mmap(allocation.start, allocation.room, PROT_READ | PROT_WRITE, kind | MAP_FIXED, file,
           off_t(offset)) == MAP_FAILED)
    stop_process("no mapping of %zu bytes of device memory", allocation.room);
}

void* open_pages(int device, size_t bytes, int file, size_t offset) {
  reserve();
  const Allocation* allocation = place(device, bytes, Origin::kOtherProcess);
  if (!allocation) return nullptr;
  map_pages(*allocation, file, offset);
  if (checking()) {
    shadow_allocate(allocation->start, bytes);
    shadow_write(allocation->start, bytes);
  }
  return allocation->start;
}

void close_pages(void* p) {
  const Allocation allocation = memory().live.at(static_cast<char*>(p));
  memory().live.erase(allocation.start);
  map_pages(allocation, -1, 0);
  if (checking()) shadow_free(p, allocation.bytes);
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
