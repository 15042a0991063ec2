// The memory of the emulated devices: one range of addresses, a part of it for each device.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>

#include "findings.h"

namespace cudaemu {

struct Allocation {
  char* start;
  size_t bytes;
  uint64_t number;
  int device;
};

char* device_memory();  // null before the first allocation
size_t device_memory_bytes();
inline bool is_device_address(const void* p) {
  return size_t(static_cast<const char*>(p) - device_memory()) < device_memory_bytes();
}
int device_of(const void* p);

// Fresh memory holds NaN in every floating-point type, freed memory 0xdd.
void* allocate(int device, size_t bytes);  // null: the device's memory is used up
cudaError_t release(void* p);
void release_all();
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
