// Loads, stores, atomics, and copies that run beside the kernel; each of them checked.
#include "ptx/memory.h"

#include <algorithm>
#include <cstring>

#include "device_memory.h"
#include "ptx/build.h"
#include "ptx/machine.h"

namespace cudaemu::ptx {
namespace {

bool is_constant(const Warp& w, const char* p, size_t bytes) {
  return std::ranges::any_of(*w.machine.constants, [&](const std::vector<char>* table) {
    return p >= table->data() && p + bytes <= table->data() + table->size();
  });
}

bool reads(Access kind) { return kind == Access::kRead || kind == Access::kReadAhead; }
const char* verb(Access kind) { return reads(kind) ? "read of" : "write to"; }

char* global(Warp& w, const Instruction& i, uint64_t address, size_t bytes, int lane, Access kind) {
  char* p = reinterpret_cast<char*>(address);
  if (!device_memory() || !is_device_address(p)) {
    if (is_pinned(p, bytes) || (reads(kind) && is_constant(w, p, bytes))) return p;
    w.fault(i, lane, cudaErrorIllegalAddress,
            address < 4096 ? "access through a null pointer"
                           : std::string(verb(kind)) + " what is not the device's memory");
  }
  shadow_access(p, bytes, kind, &i);
  return p;
}

}  // namespace

char* memory_at(Warp& w, const Instruction& i, Space space, uint64_t address, size_t bytes,
                int lane, Access kind) {
  if (space == Space::kGeneric) space = space_of(address);
  // Addresses of what belongs to a block have 32 bits, and wrap around.
  if (space == Space::kShared || space == Space::kLocal) address = uint32_t(address);
  if (address % bytes)
    w.fault(i, lane, cudaErrorMisalignedAddress,
            "misaligned access of " + std::to_string(bytes) + " bytes");
  const auto in = [&](char* start, size_t size) {
    if (address > size || bytes > size - address)
      w.fault(i, lane, cudaErrorIllegalAddress,
              std::string(verb(kind)) + " " + std::to_string(bytes) + " bytes outside any object");
    return start + address;
  };
  current = &w.thread(lane);
  switch (space) {
    case Space::kShared: {
      char* p = in(w.machine.shared, w.machine.shared_bytes);
      shadow_access(p, bytes, kind, &i);
      return p;
    }
    case Space::kLocal:
    case Space::kArgument:
      return in(w.local(lane), w.machine.kernel->local_bytes);
    case Space::kParameter:
      return in(const_cast<char*>(w.machine.parameters->data()), w.machine.parameters->size());
    default:
      return global(w, i, address, bytes, lane, kind);
  }
}

namespace {

// The target of each lane; of shared and local memory without the window.
struct Addresses {
  uint64_t of[32];
  Addresses(Warp& w, const Operand& o, Lanes lanes) {
    if (o.reg < 0) {
      each(lanes, [&](int l) { of[l] = uint64_t(o.offset); });
    } else {
      const uint64_t* base = w.at(o.reg);
      each(lanes, [&](int l) { of[l] = base[l] + uint64_t(o.offset); });
    }
  }
};

void count(Warp& w, Space space, const Addresses& addresses, Lanes lanes, size_t bytes,
           bool write) {
  if (w.machine.counters) w.machine.counters->access(space, addresses.of, lanes, bytes, write);
}

uint64_t load_value(const char* p, size_t bytes, bool is_signed) {
  uint64_t value = 0;
  std::memcpy(&value, p, bytes);
  if (!is_signed || bytes == 8) return value;
  const unsigned unused = unsigned(64 - 8 * bytes);
  return uint64_t(int64_t(value << unused) >> unused);
}

enum { kVolatile = 1, kAcquire = 2, kRelease = 4 };

void fence(Warp& w, Lanes lanes) {
  each(lanes, [&](int l) {
    current = &w.thread(l);
    cudaemu_note_fence();
  });
}

void load(Warp& w, const Instruction& i, Lanes lanes) {
  const size_t bytes = bytes_of(i.type), all = bytes * i.count;
  const Addresses addresses(w, i.a, lanes);
  count(w, i.space, addresses, lanes, all, false);
  // Code that the compiler moved has no line of its own.
  const bool moved = i.source_file != 0 && i.source_line == 0;
  const Access kind = i.mode ? Access::kAtomic : moved ? Access::kReadAhead : Access::kRead;
  const bool extends = is_signed(i.type);
  if (i.d.list.empty()) {
    uint64_t* d = w.result(i.d);
    each(lanes, [&](int l) {
      d[l] = load_value(memory_at(w, i, i.space, addresses.of[l], all, l, kind), bytes, extends);
    });
  } else {
    each(lanes, [&](int l) {
      const char* p = memory_at(w, i, i.space, addresses.of[l], all, l, kind);
      for (size_t part = 0; part < i.d.list.size(); ++part)
        if (i.d.list[part] >= 0)
          w.at(i.d.list[part])[l] = load_value(p + part * bytes, bytes, extends);
    });
  }
  if (i.mode & kAcquire) fence(w, lanes);
}

void store(Warp& w, const Instruction& i, Lanes lanes) {
  if (i.mode & kRelease) fence(w, lanes);
  const size_t bytes = bytes_of(i.type), all = bytes * i.count;
  const Addresses addresses(w, i.a, lanes);
  count(w, i.space, addresses, lanes, all, true);
  const Access kind = i.mode ? Access::kAtomic : Access::kWrite;
  each(lanes, [&](int l) {
    char* p = memory_at(w, i, i.space, addresses.of[l], all, l, kind);
    if (i.b.list.empty()) {
      std::memcpy(p, &w.at(i.b.reg)[l], bytes);
      return;
    }
    for (size_t part = 0; part < i.b.list.size(); ++part)
      std::memcpy(p + part * bytes, &w.at(i.b.list[part])[l], bytes);
  });
}

// Caches, scopes and hints change nothing here.
void drop_hints(Words& words) {
  words.drop(
      {"weak", "relaxed", "gpu", "sys", "cta", "nc", "ca", "cg", "cs", "cv", "lu", "wb", "wt"});
  words.drop({"L1::no_allocate", "L1::evict_first", "L1::evict_last", "L1::evict_normal",
              "L1::evict_unchanged", "L2::64B", "L2::128B", "L2::256B"});
}

void take_access(Words& words, Instruction& i) {
  i.mode = (words.take("volatile") ? kVolatile : 0) | (words.take("acquire") ? kAcquire : 0) |
           (words.take("release") ? kRelease : 0);
  for (const auto word : words.left())
    if (word == "relaxed") i.mode |= kVolatile;
  drop_hints(words);
  i.space = words.take_space();
  i.count = words.take("v2") ? 2 : words.take("v4") ? 4 : words.take("v8") ? 8 : 1;
  i.type = words.take_type();
}
void build_load(Words& words, Instruction& i) {
  take_access(words, i);
  i.run = load;
}
void build_store(Words& words, Instruction& i) {
  take_access(words, i);
  i.result_at = 1;
  i.run = store;
}

constexpr std::string_view kAtomics[] = {"add",  "min", "max", "inc", "dec",
                                         "exch", "cas", "and", "or",  "xor"};
enum AtomicKind { kAdd, kMin, kMax, kInc, kDec, kExchange, kCompare, kAnd, kOr, kXor };

template <class T>
T atomic_result(int kind, T old, T value, T other) {
  if constexpr (std::is_floating_point_v<T>) {
    if (kind == kAdd) return old + value;
    return value;
  } else {
    switch (kind) {
      case kAdd:
        return T(uint64_t(old) + uint64_t(value));
      case kMin:
        return std::min(old, value);
      case kMax:
        return std::max(old, value);
      case kInc:
        return old >= value ? T(0) : T(old + 1);
      case kDec:
        return old == 0 || old > value ? value : T(old - 1);
      case kExchange:
        return value;
      case kCompare:
        return old == value ? other : old;
      case kAnd:
        return T(old & value);
      case kOr:
        return T(old | value);
      default:
        return T(old ^ value);
    }
  }
}

template <class T>
void atomic(Warp& w, const Instruction& i, Lanes lanes) {
  const Addresses addresses(w, i.a, lanes);
  const uint64_t *b = w.at(i.b.reg), *c = w.at(i.c.reg < 0 ? i.b.reg : i.c.reg);
  uint64_t* d = w.result(i.d);
  if (w.machine.counters) w.machine.counters->atomic();
  const bool orders = i.saturate;
  if (orders) fence(w, lanes);
  each(lanes, [&](int l) {
    char* p = memory_at(w, i, i.space, addresses.of[l], sizeof(T), l, Access::kAtomic);
    note_atomic(p, sizeof(T), &i);
    T old;
    std::memcpy(&old, p, sizeof old);
    const T fresh = atomic_result(i.mode, old, value_of<T>(b[l]), value_of<T>(c[l]));
    std::memcpy(p, &fresh, sizeof fresh);
    d[l] = bits_of(old);
  });
  if (orders) fence(w, lanes);
}

template <bool kReturns>
void build_atomic(Words& words, Instruction& i) {
  const bool acquires = words.take("acquire"), releases = words.take("release"),
             both = words.take("acq_rel");
  i.saturate = acquires || releases || both;  // it is a fence, too
  drop_hints(words);
  words.drop({"noftz"});
  i.space = words.take_space();
  if ((i.mode = words.take_one_of(kAtomics)) < 0) unsupported("this atomic");
  i.type = words.take_type();
  if (!kReturns) i.result_at = 1;
  if (is_float(i.type) && i.mode != kAdd && i.mode != kExchange) unsupported("this atomic");
  if (i.type == Type::kF32)
    i.run = atomic<float>;
  else if (i.type == Type::kF64)
    i.run = atomic<double>;
  else
    i.run = with_integer(i.type, [](auto t) -> Run { return atomic<decltype(t)>; });
}

void memory_fence(Warp& w, const Instruction&, Lanes lanes) { fence(w, lanes); }
void nothing(Warp&, const Instruction&, Lanes) {}
void build_fence(Words& words, Instruction& i) {
  words.drop({"sc", "acq_rel", "acquire", "release"});
  const bool within = words.take("cta");  // other blocks are not reached
  words.drop({"gl", "sys", "gpu"});
  i.result_at = 1;
  i.run = within ? nothing : memory_fence;
}
void build_hint(Words& words, Instruction& i) {
  words.drop({"global", "L1", "L2", "L2::evict_last", "L2::evict_normal", "u32"});
  i.result_at = 1;
  i.run = nothing;
}

void copy_async(Warp& w, const Instruction& i, Lanes lanes) {
  const Addresses to(w, i.a, lanes), from(w, i.b, lanes);
  const uint64_t *bytes = w.at(i.c.reg), *valid = i.e.reg < 0 ? bytes : w.at(i.e.reg);
  const size_t n = bytes[std::countr_zero(lanes)];
  count(w, Space::kGlobal, from, lanes, n, false);
  count(w, Space::kShared, to, lanes, n, true);
  each(lanes, [&](int l) {
    const uint64_t at = uint32_t(to.of[l]);
    if ((at | from.of[l]) % n)
      w.fault(i, l, cudaErrorMisalignedAddress,
              "cp.async of " + std::to_string(n) + " bytes is misaligned");
    if (at + n > w.machine.shared_bytes)
      w.fault(i, l, cudaErrorIllegalAddress, "cp.async writes outside shared memory");
    char* p = w.machine.shared + at;
    std::memset(p, 0xff, n);  // a read before the wait must not see what was there
    BlockThread& thread = w.thread(l);
    thread.copies.push_back({p, reinterpret_cast<const void*>(from.of[l]), n,
                             std::min(size_t(valid[l]), n), thread.copy_group, &i});
  });
}
void commit_copies(Warp& w, const Instruction&, Lanes lanes) {
  each(lanes, [&](int l) { ++w.thread(l).copy_group; });
}
enum { kAllCopies = 1 };
void wait_for_copies(Warp& w, const Instruction& i, Lanes lanes) {
  each(lanes, [&](int l) {
    BlockThread& thread = w.thread(l);
    current = &thread;
    finish_copies(&thread,
                  i.mode == kAllCopies ? INT32_MAX : thread.copy_group - int(w.at(i.a.reg)[l]));
  });
}
void build_copy_async(Words& words, Instruction& i) {
  i.result_at = 1;
  if (!words.take("async")) unsupported("this copy");
  if (words.take("commit_group")) {
    i.run = commit_copies;
  } else if (words.take("wait_group")) {
    i.run = wait_for_copies;
  } else if (words.take("wait_all")) {
    i.mode = kAllCopies;
    i.run = wait_for_copies;
  } else {
    drop_hints(words);
    words.drop({"shared", "shared::cta", "global"});
    i.run = copy_async;
  }
}

constexpr Builder kBuilders[] = {
    {"ld", build_load},           {"ldu", build_load},          {"st", build_store},
    {"atom", build_atomic<true>}, {"red", build_atomic<false>}, {"membar", build_fence},
    {"fence", build_fence},       {"cp", build_copy_async},     {"prefetch", build_hint},
    {"prefetchu", build_hint},    {"nanosleep", build_hint},
};

}  // namespace

std::span<const Builder> memory_builders() { return kBuilders; }

}  // namespace cudaemu::ptx
