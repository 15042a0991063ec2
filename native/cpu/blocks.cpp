#include "cpu/blocks.h"

#include <sys/mman.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>

namespace orthokit::cpu {
namespace {

constexpr size_t kPage = 4096, kHugePage = size_t(2) << 20;

struct Header {  // in front of the block
  void* base;
  size_t mapped;  // bytes; 0: from malloc
};

// Offset of a block in its page: any four of one size in a row lie a quarter of a page apart, as
// the weights, gradient and state of a parameter are.
size_t place_of(size_t bytes) {
  static std::atomic<uint32_t> counts[64];  // by a hash of the size
  constexpr size_t kPlaces[] = {0, 2048, 1024, 3072};
  const uint32_t n =
      counts[uint64_t(bytes) * 0x9e3779b97f4a7c15u >> 58].fetch_add(1, std::memory_order_relaxed);
  return kPlaces[(n + n / 4 + n / 16 + n / 64) % 4];
}

// A mapping of its own, with the start of a huge page behind `base`: what malloc has used before
// stays in small pages.
Header map(size_t bytes) {
  const size_t mapped = bytes + kHugePage;
  void* base = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) return {nullptr, 0};
#ifdef MADV_HUGEPAGE
  madvise(base, mapped, MADV_HUGEPAGE);  // a system without them refuses, and nothing changes
#endif
  return {base, mapped};
}

}  // namespace

void* allocate_block(size_t bytes) {
  size_t alignment = kAlignment, shift = kAlignment;
  if (bytes >= kPage) alignment = kPage, shift += place_of(bytes);
  if (bytes > SIZE_MAX / 2) return nullptr;
  Header header{};
  if (bytes >= kHugePage) {
    alignment = kHugePage;
    header = map(shift + bytes);
  } else if (posix_memalign(&header.base, alignment, shift + bytes) != 0) {
    header.base = nullptr;
  }
  if (!header.base) return nullptr;
  const uintptr_t start = (reinterpret_cast<uintptr_t>(header.base) + alignment - 1) / alignment;
  auto* data = reinterpret_cast<std::byte*>(start * alignment + shift);
  reinterpret_cast<Header*>(data)[-1] = header;
  return data;
}

void release_block(void* data) {
  const Header header = static_cast<Header*>(data)[-1];
  if (header.mapped > 0)
    munmap(header.base, header.mapped);
  else
    std::free(header.base);
}

}  // namespace orthokit::cpu
