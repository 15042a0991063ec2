#include "faults.h"

#include <atomic>
#include <cstdlib>
#include <new>

#include "core/error.h"

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
thread_local int64_t live = 0;
std::atomic<size_t> largest{SIZE_MAX};
std::atomic<const char*> failure{nullptr};
}  // namespace

void fail_in(int requests) { remaining = requests; }

int64_t live_blocks() { return live; }

LargestBlock::LargestBlock(size_t bytes, const char* words) { largest = bytes, failure = words; }
LargestBlock::~LargestBlock() { largest = SIZE_MAX, failure = nullptr; }

static void* take(size_t bytes) {
  if (remaining > 0 && --remaining == 0) return nullptr;
  return std::malloc(bytes == 0 ? 1 : bytes);
}

static void* take_block(size_t bytes) {
  if (bytes > largest) {
    if (failure) throw Error(ErrorCode::kBackend, failure.load(), 700);
    return nullptr;
  }
  void* data = __real__ZN8orthokit3cpu14allocate_blockEm(bytes);
  live += data != nullptr;
  return data;
}

static void give_block(void* data) {
  __real__ZN8orthokit3cpu13release_blockEPv(data);
  --live;
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
