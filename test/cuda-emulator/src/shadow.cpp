#include "shadow.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "device_memory.h"
#include "ptx/interpreter.h"
#include "scheduler.h"
#include "shared_memory.h"

namespace cudaemu {
namespace {

bool active = false;

enum class Byte : uint8_t { kNone, kFresh, kWritten, kFreed };

// Reads that no order is known of: by threads of one warp, or by any.
enum : uint8_t { kUsed = 1, kByAtomic = 2, kByWarp = 4, kByMany = 8 };
struct Stamp {  // who accessed, and when
  uint16_t launch;
  uint8_t flags, grid_clock;
  uint32_t block;
  uint16_t thread, barrier;
  uint32_t warp_clock;

  bool has(uint8_t flag) const { return flags & flag; }
  bool by_one() const { return !has(kByWarp) && !has(kByMany); }
  bool same_thread(const Stamp& o) const { return block == o.block && thread == o.thread; }
  bool same_warp(const Stamp& o) const { return block == o.block && thread / 32 == o.thread / 32; }
};
struct Cell {  // of two bytes: their last write and their last read
  Stamp write, read;
};

constexpr unsigned kSlots = 1024;  // blocks of a cooperative launch

class Shadow {
 public:
  explicit Shadow(size_t bytes)
      : bytes_(static_cast<Byte*>(map(bytes))),
        cells_(static_cast<Cell*>(map(bytes / 2 * sizeof(Cell)))) {}
  Byte* bytes(size_t offset) { return bytes_ + offset; }
  Cell* cells(size_t offset) { return cells_ + offset / 2; }
  void set(size_t offset, size_t n, Byte state) {
    std::memset(static_cast<void*>(bytes_ + offset), int(state), n);
  }
  void forget_accesses(size_t offset, size_t n) {
    char* begin = reinterpret_cast<char*>(cells(offset));
    char* end = begin + (n + 1) / 2 * sizeof(Cell);
    const auto page = uintptr_t(sysconf(_SC_PAGESIZE));
    char* inner = begin + (page - reinterpret_cast<uintptr_t>(begin) % page) % page;
    char* outer = end - reinterpret_cast<uintptr_t>(end) % page;
    if (inner >= outer) {
      std::memset(begin, 0, size_t(end - begin));
      return;
    }
    std::memset(begin, 0, size_t(inner - begin));
    madvise(inner, size_t(outer - inner), MADV_DONTNEED);
    std::memset(outer, 0, size_t(end - outer));
  }

 private:
  static void* map(size_t n) {
    void* p = mmap(nullptr, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    if (p == MAP_FAILED) stop_process("no addresses for %zu bytes of shadow memory", n);
    return p;
  }
  Byte* bytes_;
  Cell* cells_;
};

Shadow& device_shadow() {
  static Shadow& shadow = *new Shadow(device_memory_bytes());
  return shadow;
}
Shadow& shared_shadow() {
  static Shadow& shadow = *new Shadow(kSlots * kSharedBytes);
  return shadow;
}
size_t device_offset(const void* p) {
  return size_t(static_cast<const char*>(p) - device_memory());
}

Stamp now() {
  const BlockThread* t = running_thread();
  return {scheduler->grid.number, 0,
          scheduler->grid.clock,  t->block->index,
          uint16_t(t->linear),    t->block->barrier_clock,
          t->warp_clock};
}

// Did `a` happen before `b`?
bool ordered(const Stamp& a, const Stamp& b, bool shared) {
  if (!a.has(kUsed) || a.launch != b.launch) return true;
  if (a.block != b.block)
    return shared || a.grid_clock != b.grid_clock ||
           (a.by_one() && running_thread()->block->before.count(a.block));
  if (a.barrier != b.barrier) return true;
  if (a.by_one() && a.thread == b.thread) return true;
  return !a.has(kByMany) && a.same_warp(b) && a.warp_clock < b.warp_clock;
}

std::string who(const Stamp& s) {
  if (!s.by_one()) return "several threads";
  return "block " + std::to_string(s.block) + " thread " + std::to_string(s.thread);
}

struct Accessed {
  const void* p;
  size_t bytes;
  Access kind;
  const void* code;
  bool shared;

  bool writes() const { return kind == Access::kWrite || kind == Access::kAtomic; }
  const char* verb() const { return writes() ? "write" : "read"; }
  const char* space() const { return shared ? "shared" : "global"; }
};

void report_race(const Accessed& a, const Stamp& mine, const char* verb, const Stamp& other) {
  finding_at(a.code, cudaErrorLaunchFailure,
             std::string("race on ") + a.space() + " memory: " + a.verb() + " by " + who(mine) +
                 " conflicts with an earlier " + verb + " by " + who(other));
}

// False: it must not be carried out.
bool check_bytes(const Accessed& a, Byte* states) {
  if (reinterpret_cast<uintptr_t>(a.p) % a.bytes && (a.bytes & (a.bytes - 1)) == 0)
    finding_at(
        a.code, cudaErrorMisalignedAddress,
        "misaligned access of " + std::to_string(a.bytes) + " bytes to " + a.space() + " memory");
  for (size_t i = 0; i < a.bytes; ++i) {
    if (states[i] == Byte::kNone || states[i] == Byte::kFreed) {
      finding_at(a.code, cudaErrorIllegalAddress,
                 std::string(a.verb()) + " of " + std::to_string(a.bytes) + " bytes " +
                     (states[i] == Byte::kFreed ? "of freed " : "outside any live object in ") +
                     a.space() + " memory");
      return false;
    }
    if (states[i] == Byte::kFresh && a.kind == Access::kReadAhead) continue;
    if (a.kind != Access::kWrite && states[i] == Byte::kFresh)
      finding_at(a.code, cudaErrorIllegalAddress,
                 std::string("read of unwritten ") + a.space() + " memory");
    if (a.writes() || states[i] == Byte::kFresh) states[i] = Byte::kWritten;
  }
  return true;
}

void check_order(const Accessed& a, Cell* cells) {
  if (a.bytes == 1) return;  // a cell is two bytes: neighbours would be taken for the same one
  Stamp mine = now();
  const bool atomic = a.kind == Access::kAtomic;
  mine.flags = uint8_t(kUsed | (atomic ? kByAtomic : 0));
  for (size_t i = 0; i < (a.bytes + 1) / 2; ++i) {
    Cell& cell = cells[i];
    if (!ordered(cell.write, mine, a.shared) && !cell.write.same_thread(mine) &&
        !(atomic && cell.write.has(kByAtomic)))
      report_race(a, mine, "write", cell.write);
    const bool after_read =
        ordered(cell.read, mine, a.shared) || (cell.read.same_thread(mine) && cell.read.by_one());
    if (a.writes()) {
      if (!after_read && !(atomic && cell.read.has(kByAtomic)))
        report_race(a, mine, "read", cell.read);
      cell.write = mine;
    } else {
      const Stamp before = cell.read;
      cell.read = mine;
      if (after_read) continue;
      const bool in_warp = before.same_warp(mine) && !before.has(kByMany);
      cell.read.flags |= in_warp ? kByWarp : kByMany;
      cell.read.warp_clock = std::max(before.warp_clock, mine.warp_clock);
    }
  }
}

// Neither device nor shared memory: what else may a kernel touch?
void check_elsewhere(const void* p, size_t bytes, Access kind, const void* code) {
  const auto offset_in_call =
      size_t(static_cast<const char*>(p) - static_cast<char*>(scheduler->grid.shape->launch.call));
  if (scheduler->owns_stack(p) || is_pinned(p, bytes) ||
      offset_in_call < scheduler->grid.shape->launch.call_bytes)
    return;
  Dl_info module{};
  if (kind == Access::kRead && dladdr(p, &module)) return;  // a table of constants
  if (reinterpret_cast<uintptr_t>(p) < 4096) {
    finding_at(code, cudaErrorIllegalAddress, "access through a null pointer");
    abandon_block();
  }
  finding_at(code, cudaErrorIllegalAddress,
             std::string(kind == Access::kRead ? "read of" : "write to") +
                 " the host's memory from a kernel");
  if (kind == Access::kWrite || kind == Access::kAtomic) abandon_block();
}

}  // namespace

// The interpreter of PTX watches every access.
bool checking() { return active || ptx::chosen(); }
void start_checking() { active = true; }

void shadow_allocate(const void* p, size_t bytes) {
  device_shadow().set(device_offset(p), bytes, Byte::kFresh);
  device_shadow().forget_accesses(device_offset(p), bytes);
}
void shadow_free(const void* p, size_t bytes) {
  device_shadow().set(device_offset(p), bytes, Byte::kFreed);
}
void shadow_shared(unsigned slot, size_t offset, size_t bytes) {
  shared_shadow().set(slot * kSharedBytes + offset, bytes, Byte::kFresh);
}

void shadow_write(const void* p, size_t bytes) {
  device_shadow().set(device_offset(p), bytes, Byte::kWritten);
}
bool shadow_check_read(const void* p, size_t bytes, const char* what) {
  const Byte* states = device_shadow().bytes(device_offset(p));
  for (size_t i = 0; i < bytes; ++i) {
    if (states[i] == Byte::kWritten) continue;
    finding(cudaErrorIllegalAddress, "%s reads unwritten memory: byte %zu of %zu", what, i, bytes);
    return false;
  }
  return true;
}

void shadow_access(const void* p, size_t bytes, Access kind, const void* code) {
  if (!current) {
    if (device_memory() && is_device_address(p))
      finding_at(code, cudaErrorIllegalAddress, "host code follows a device pointer");
    return;
  }
  // threadIdx and the like
  if (size_t(static_cast<const char*>(p) - reinterpret_cast<const char*>(current)) <
          sizeof(BlockThread) ||
      p == &current)
    return;
  Accessed access{p, bytes, kind, code, false};
  size_t offset;
  if (is_device_address(p)) {
    offset = device_offset(p);
    if (kind == Access::kWrite) running_thread()->fenced = false;
  } else if (const int64_t in_block = shared_offset(p); in_block >= 0) {
    access.shared = true;
    offset = size_t(in_block) + running_thread()->block->slot * kSharedBytes;
  } else {
    check_elsewhere(p, bytes, kind, code);
    return;
  }
  Shadow& shadow = access.shared ? shared_shadow() : device_shadow();
  if (!check_bytes(access, shadow.bytes(offset))) abandon_block();
  check_order(access, shadow.cells(offset));
}

}  // namespace cudaemu
