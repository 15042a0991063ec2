// Orders of the accesses of threads beside barriers: asynchronous copies, fences, atomics.
#include <cstring>

#include "device_memory.h"
#include "scheduler.h"
#include "shadow.h"
#include "shared_memory.h"

namespace cudaemu {

void finish_copies(BlockThread* thread, int before_group) {
  size_t kept = 0;
  for (const AsyncCopy& copy : thread->copies) {
    if (copy.group >= before_group) {
      thread->copies[kept++] = copy;
      continue;
    }
    if (checking()) {
      if (copy.valid) shadow_access(copy.from, copy.valid, Access::kRead, copy.code_address);
      shadow_access(copy.to, copy.bytes, Access::kWrite, copy.code_address);
    }
    std::memcpy(copy.to, copy.from, copy.valid);
    std::memset(static_cast<char*>(copy.to) + copy.valid, 0, copy.bytes - copy.valid);
  }
  thread->copies.resize(kept);
}

void note_atomic(const void* address, size_t bytes, const void* code_address) {
  if (!checking()) return;
  BlockThread* thread = running_thread();
  Block* block = thread->block;
  std::set<uint32_t>& published = scheduler->grid.published[address];
  block->seen.insert(published.begin(), published.end());
  if (thread->fenced) {
    published.insert(block->index);
    published.insert(block->before.begin(), block->before.end());
  }
  shadow_access(address, bytes, Access::kAtomic, code_address);
}

}  // namespace cudaemu

using namespace cudaemu;

void cudaemu_copy_async(void* to, const void* from, size_t bytes, size_t valid) {
  BlockThread* thread = running_thread();
  if ((reinterpret_cast<uintptr_t>(to) | reinterpret_cast<uintptr_t>(from)) % bytes)
    fatal_finding(cudaErrorMisalignedAddress, "cp.async of %zu bytes is misaligned", bytes);
  if (shared_offset(to) < 0)
    fatal_finding(cudaErrorInvalidAddressSpace, "cp.async writes to other than shared memory");
  std::memset(to, 0xff, bytes);  // a read before the wait must not see what was there
  thread->copies.push_back(
      {to, from, bytes, valid, thread->copy_group, __builtin_return_address(0)});
}
void cudaemu_copy_async_commit() { ++running_thread()->copy_group; }
void cudaemu_copy_async_wait(int pending) {
  finish_copies(running_thread(), running_thread()->copy_group - pending);
}

// Acquire: an atomic, then a fence. Release: a fence, then an atomic, and no write between them.
void cudaemu_note_fence() {
  BlockThread* thread = running_thread();
  thread->fenced = true;
  if (checking())
    thread->block->before.insert(thread->block->seen.begin(), thread->block->seen.end());
}
void cudaemu_note_atomic(const void* address, size_t bytes) {
  if (!current) {
    if (is_device_address(address))
      finding(cudaErrorIllegalAddress, "atomic of the host on device memory");
    return;
  }
  if (reinterpret_cast<uintptr_t>(address) % bytes)
    fatal_finding(cudaErrorMisalignedAddress, "atomic on a misaligned address");
  note_atomic(address, bytes, __builtin_return_address(0));
}

float cudaemu_wobble(float value, int ulp) {
  const int range = options().wobble * ulp;
  if (!range || !scheduler || !std::isfinite(value) || value == 0) return value;
  const int by = int(scheduler->random() % unsigned(2 * range + 1)) - range;
  return __uint_as_float(__float_as_uint(value) + unsigned(by));
}
