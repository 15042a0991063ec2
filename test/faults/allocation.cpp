// Linked into a copy of the addon that only the tests load: every request for memory of core, addon
// and backend is counted, and the n-th may fail. Orders and counts stand in the file that
// ORTHOKIT_FAULTS names, which the test writes and reads.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <new>

// By the linker's --wrap: allocate_block and release_block of the CPU backend.
extern "C" {
void* __real__ZN8orthokit3cpu14allocate_blockEm(size_t bytes);
void __real__ZN8orthokit3cpu13release_blockEPv(void*);
}

namespace {

struct Orders {
  int64_t fail_at;  // which request, counted from 1; 0: none
  int64_t lasting;  // 1: all requests from then on
  int64_t requests, failed, live;
  int64_t failed_blocks, live_blocks;  // of tensors and scratch memory
};

Orders* orders() {
  static Orders* const mapped = [] {
    const char* file = std::getenv("ORTHOKIT_FAULTS");
    const int open_file = file ? open(file, O_RDWR) : -1;
    if (open_file < 0) return static_cast<Orders*>(nullptr);
    void* data = mmap(nullptr, sizeof(Orders), PROT_READ | PROT_WRITE, MAP_SHARED, open_file, 0);
    close(open_file);
    return data == MAP_FAILED ? nullptr : static_cast<Orders*>(data);
  }();
  return mapped;
}

void add(int64_t& counter, int64_t n) { __atomic_add_fetch(&counter, n, __ATOMIC_SEQ_CST); }

bool fails() {
  Orders* o = orders();
  if (!o) return false;
  const int64_t fail_at = __atomic_load_n(&o->fail_at, __ATOMIC_SEQ_CST);
  if (fail_at == 0) return false;
  const int64_t number = __atomic_add_fetch(&o->requests, 1, __ATOMIC_SEQ_CST);
  if (number < fail_at || (number > fail_at && !o->lasting)) return false;
  add(o->failed, 1);
  return true;
}

void* counted(void* data) {
  if (data && orders()) add(orders()->live, 1);
  return data;
}

void* take(size_t bytes, size_t alignment = 0) {
  if (fails()) return nullptr;
  if (bytes == 0) bytes = 1;
  return counted(alignment == 0 ? std::malloc(bytes)
                                : std::aligned_alloc(
                                      alignment, (bytes + alignment - 1) / alignment * alignment));
}

void* take_or_throw(size_t bytes, size_t alignment = 0) {
  if (void* data = take(bytes, alignment)) return data;
  throw std::bad_alloc();
}

void give(void* data) {
  if (data && orders()) add(orders()->live, -1);
  std::free(data);
}

}  // namespace

extern "C" void* __wrap__ZN8orthokit3cpu14allocate_blockEm(size_t bytes) {
  if (fails()) return add(orders()->failed_blocks, 1), nullptr;
  void* data = __real__ZN8orthokit3cpu14allocate_blockEm(bytes);
  if (data && orders()) add(orders()->live_blocks, 1);
  return data;
}

extern "C" void __wrap__ZN8orthokit3cpu13release_blockEPv(void* data) {
  if (orders()) add(orders()->live_blocks, -1);
  __real__ZN8orthokit3cpu13release_blockEPv(data);
}

void* operator new(size_t bytes) { return take_or_throw(bytes); }
void* operator new[](size_t bytes) { return take_or_throw(bytes); }
void* operator new(size_t bytes, std::align_val_t a) { return take_or_throw(bytes, size_t(a)); }
void* operator new[](size_t bytes, std::align_val_t a) { return take_or_throw(bytes, size_t(a)); }
void* operator new(size_t bytes, const std::nothrow_t&) noexcept { return take(bytes); }
void* operator new[](size_t bytes, const std::nothrow_t&) noexcept { return take(bytes); }
void operator delete(void* data) noexcept { give(data); }
void operator delete[](void* data) noexcept { give(data); }
void operator delete(void* data, size_t) noexcept { give(data); }
void operator delete[](void* data, size_t) noexcept { give(data); }
void operator delete(void* data, std::align_val_t) noexcept { give(data); }
void operator delete[](void* data, std::align_val_t) noexcept { give(data); }
void operator delete(void* data, size_t, std::align_val_t) noexcept { give(data); }
void operator delete[](void* data, size_t, std::align_val_t) noexcept { give(data); }
