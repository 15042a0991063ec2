#include "faults.h"

#include <cstdlib>
#include <mutex>
#include <new>

// By the linker's --wrap: allocate_block and release_block of the CPU backend.
extern "C" {
void* __real__ZN8orthokit3cpu14allocate_blockEm(size_t bytes);
void __real__ZN8orthokit3cpu13release_blockEPv(void*);
void* __wrap__ZN8orthokit3cpu14allocate_blockEm(size_t bytes);
void __wrap__ZN8orthokit3cpu13release_blockEPv(void*);
}

namespace orthokit::faults {
namespace {
thread_local int remaining = 0;
std::mutex mutex;
Blocks counted;
}  // namespace

void fail_in(int requests) { remaining = requests; }

Blocks blocks() {
  std::lock_guard lock(mutex);
  return counted;
}

void refuse_larger_than(size_t bytes) {
  std::lock_guard lock(mutex);
  counted.largest = bytes;
}

static void* take(size_t bytes) {
  if (remaining > 0 && --remaining == 0) return nullptr;
  return std::malloc(bytes == 0 ? 1 : bytes);
}

static void* take_block(size_t bytes) {
  {
    std::lock_guard lock(mutex);
    if (bytes > counted.largest) return ++counted.refused, nullptr;
  }
  void* data = __real__ZN8orthokit3cpu14allocate_blockEm(bytes);
  std::lock_guard lock(mutex);
  counted.live += data != nullptr;
  return data;
}

static void give_block(void* data) {
  __real__ZN8orthokit3cpu13release_blockEPv(data);
  std::lock_guard lock(mutex);
  --counted.live;
}

}  // namespace orthokit::faults

void* __wrap__ZN8orthokit3cpu14allocate_blockEm(size_t bytes) {
  return orthokit::faults::take_block(bytes);
}
void __wrap__ZN8orthokit3cpu13release_blockEPv(void* data) { orthokit::faults::give_block(data); }

void* operator new(size_t bytes) {
  if (void* data = orthokit::faults::take(bytes)) return data;
  throw std::bad_alloc();
}
void* operator new[](size_t bytes) { return operator new(bytes); }
void operator delete(void* data) noexcept { std::free(data); }
void operator delete[](void* data) noexcept { std::free(data); }
void operator delete(void* data, size_t) noexcept { std::free(data); }
void operator delete[](void* data, size_t) noexcept { std::free(data); }
