// The memory of the emulated devices: one range of addresses, a part of it for each device.
// Blocks of cudaMalloc have whole pages: other processes can map them (shared_blocks.h).
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>

#include "findings.h"

namespace cudaemu {

enum class Origin { kMalloc, kPool, kOtherProcess };

struct Allocation {
  char* start;
  size_t bytes;
  size_t room;  // addresses that nothing else gets: bytes, and what rounds them up
  uint64_t number;
  int device;
  Origin origin;
};

char* device_memory();  // null before the first allocation
size_t device_memory_bytes();
inline bool is_device_address(const void* p) {
  return size_t(static_cast<const char*>(p) - device_memory()) < device_memory_bytes();
}
int device_of(const void* p);

// Fresh memory holds NaN in every floating-point type, freed memory 0xdd.
void* allocate(int device, size_t bytes, Origin);  // null: the device's memory is used up
cudaError_t release(void* p);                      // not memory of another process
void release_all();
// The same file behind the pages of a block; fresh ones of this process, if there is none (-1).
void map_pages(const Allocation&, int file, size_t offset);
// Addresses in which the memory of another process appears, of which all counts as written. Null:
// there are none.
void* open_pages(int device, size_t bytes, int file, size_t offset);
void close_pages(void* p);
const Allocation* find_allocation(const void* p);  // the live one that holds this byte
bool is_device_range(const void* p, size_t bytes);
void for_each_allocation(const std::function<void(const Allocation&)>&);  // that is live
int live_allocations();
size_t used_bytes(int device);

void add_pinned(void* p, size_t bytes);
bool remove_pinned(void* p);
bool is_pinned(const void* p, size_t bytes);
int live_pinned();

// With ORTHOKIT_EMULATOR_PROTECT=1 device memory is out of the host's reach except here. Nests.
class DeviceAccess {
 public:
  DeviceAccess();
  ~DeviceAccess();
};

}  // namespace cudaemu
