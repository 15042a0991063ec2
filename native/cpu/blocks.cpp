#include "cpu/blocks.h"

#include <sys/mman.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>

namespace orthokit::cpu {
namespace {

constexpr size_t kPage = 4096, kHugePage = size_t(2) << 20;

// Where block number n starts in its page, in units of kAlignment: any four blocks in a row lie a
// quarter of a page apart, and lists of 16 tensors do not repeat the places of the list before.
size_t place(uint32_t n) {
  constexpr uint8_t kPlaces[] = {0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15};
  return kPlaces[(n + n / 16) % 16];
}

}  // namespace

void* allocate_block(size_t bytes) {
  static std::atomic<uint32_t> blocks{0};
  // In front of a block stands the address to free. Small blocks go where malloc has room.
  size_t alignment = kAlignment, shift = kAlignment;
  if (bytes >= kPage) {
    alignment = bytes >= kHugePage ? kHugePage : kPage;
    shift += kAlignment * place(blocks.fetch_add(1, std::memory_order_relaxed));
  }
  void* base = nullptr;
  if (bytes > SIZE_MAX - shift || posix_memalign(&base, alignment, shift + bytes) != 0)
    return nullptr;
#ifdef MADV_HUGEPAGE
  // A system without huge pages refuses, and nothing else changes.
  if (bytes >= kHugePage) madvise(base, (shift + bytes) / kHugePage * kHugePage, MADV_HUGEPAGE);
#endif
  auto* data = static_cast<std::byte*>(base) + shift;
  reinterpret_cast<void**>(data)[-1] = base;
  return data;
}

void release_block(void* data) { std::free(static_cast<void**>(data)[-1]); }

}  // namespace orthokit::cpu
