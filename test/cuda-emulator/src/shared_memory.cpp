#include "shared_memory.h"

#include <link.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>

#include "elf_file.h"
#include "scheduler.h"
#include "shadow.h"

extern "C" void* __tls_get_addr(void*);

namespace cudaemu {
namespace {

struct Variable {
  size_t offset, bytes;
};
using Variables = std::vector<Variable>;

struct Segment {  // of this thread of the host
  char* start = nullptr;
  size_t bytes = 0;
  const Variables* variables = nullptr;
  Block* owner = nullptr;
  bool in_use = false;  // a block of this launch has had it
  bool shared = false;  // by blocks that are alive at once
};
thread_local Segment segment;

// A segment holds what all kernels of a module have, over a megabyte, so blocks begin with what the
// kernel writes filled again, and no more. Which variables these are is seen after its launches: by
// their ends, and by every byte after the first, second, fourth and so on. In its first launch, where
// blocks are alive at once and where each access is checked, all is filled for each block.
struct Written {
  const Variables* of = nullptr;
  std::vector<bool> variables;
  uint64_t launches = 0;
};
thread_local std::map<const void*, Written> written_by;
thread_local Written* written = nullptr;             // by the kernel that runs
thread_local std::map<const char*, bool> is_filled;  // segments, between launches

constexpr unsigned char kFresh = 0xff;

bool is_fresh(const char* data, size_t bytes) {
  uint64_t all = ~uint64_t(0);
  for (; bytes >= 64 && all == ~uint64_t(0); data += 64, bytes -= 64) {
    uint64_t words[8];
    std::memcpy(words, data, 64);
    for (const uint64_t word : words) all &= word;
  }
  for (; bytes > 0; ++data, --bytes) all &= ~uint64_t(0xff) | static_cast<unsigned char>(*data);
  return all == ~uint64_t(0);
}
bool has_fresh_ends(const char* data, size_t bytes) {
  const size_t end = std::min<size_t>(bytes, 64);
  return is_fresh(data, end) && is_fresh(data + bytes - end, end);
}

// True if what this kernel has not written is fresh after a launch.
bool keeps_fresh() { return !checking() && !segment.shared && !segment.variables->empty(); }

void fill_written() {
  for (size_t i = 0; i < written->variables.size(); ++i)
    if (written->variables[i])
      std::memset(segment.start + (*segment.variables)[i].offset, kFresh,
                  (*segment.variables)[i].bytes);
}

void see_written() {
  const uint64_t launch = ++written->launches;
  const bool every_byte = (launch & (launch - 1)) == 0;
  for (size_t i = 0; i < written->variables.size(); ++i) {
    const auto [offset, bytes] = (*segment.variables)[i];
    const char* data = segment.start + offset;
    if (!written->variables[i])
      written->variables[i] = !(every_byte ? is_fresh(data, bytes) : has_fresh_ends(data, bytes));
  }
}

// The static shared variables of a module, by its symbols.
Variables read_variables(const char* module, size_t initialised) {
  const ElfFile file(module);
  Variables variables;
  for (const auto& section : file.sections()) {
    if (section.sh_type != SHT_SYMTAB) continue;
    for (const auto& symbol : file.table<ElfW(Sym)>(section))
      if (ELF64_ST_TYPE(symbol.st_info) == STT_TLS && symbol.st_shndx != SHN_UNDEF &&
          symbol.st_value >= initialised)
        variables.push_back({symbol.st_value - initialised, symbol.st_size});
  }
  return variables;
}

const Variables* variables_of(const dl_phdr_info* module, size_t initialised) {
  static std::mutex& mutex = *new std::mutex;
  static auto& known = *new std::map<ElfW(Addr), Variables>;
  const std::lock_guard lock(mutex);
  const auto [entry, fresh] = known.try_emplace(module->dlpi_addr);
  if (fresh) entry->second = read_variables(module->dlpi_name, initialised);
  return &entry->second;
}

struct Search {
  uintptr_t kernel;
  Segment found;
};

int look_at_module(dl_phdr_info* module, size_t, void* data) {
  Search& search = *static_cast<Search*>(data);
  const ElfW(Phdr)* thread_local_segment = nullptr;
  bool holds_kernel = false;
  for (int i = 0; i < module->dlpi_phnum; ++i) {
    const auto& header = module->dlpi_phdr[i];
    if (header.p_type == PT_LOAD &&
        search.kernel - (module->dlpi_addr + header.p_vaddr) < header.p_memsz)
      holds_kernel = true;
    if (header.p_type == PT_TLS) thread_local_segment = &header;
  }
  if (!holds_kernel) return 0;
  if (!thread_local_segment) return 1;
  void* start = module->dlpi_tls_data;
  if (!start) {  // this thread has not touched it yet
    struct {
      unsigned long module, offset;
    } index{module->dlpi_tls_modid, 0};
    start = __tls_get_addr(&index);
  }
  search.found.start = static_cast<char*>(start) + thread_local_segment->p_filesz;
  search.found.bytes = thread_local_segment->p_memsz - thread_local_segment->p_filesz;
  search.found.variables = variables_of(module, thread_local_segment->p_filesz);
  return 1;
}

bool in_segment(const void* p) {
  return size_t(static_cast<const char*>(p) - segment.start) < segment.bytes;
}

}  // namespace

void find_static_shared(const void* kernel, bool shared) {
  Search search{reinterpret_cast<uintptr_t>(kernel), {}};
  dl_iterate_phdr(look_at_module, &search);
  segment = search.found;
  segment.shared = shared;
  if (in_segment(&current)) stop_process("the emulator must be a shared library of its own");
  if (segment.bytes > kDynamicOffset)
    stop_process("%zu bytes of static shared memory in one module", segment.bytes);
  if (!segment.bytes) return;
  written = &written_by[kernel];
  if (written->of != segment.variables)
    *written = {segment.variables, std::vector<bool>(segment.variables->size()), 0};
  bool& filled = is_filled[segment.start];
  if (keeps_fresh() && !filled) std::memset(segment.start, kFresh, segment.bytes);
  filled = false;  // until the launch has ended
}

void own_static_shared(Block* block) {
  if (segment.owner == block || !segment.bytes) return;
  if (segment.owner) {
    std::vector<char>& saved = segment.owner->saved_static;
    saved.assign(segment.start, segment.start + segment.bytes);
  }
  if (block->saved_static.size() == segment.bytes)
    std::memcpy(segment.start, block->saved_static.data(), segment.bytes);
  else if (!keeps_fresh() || (segment.in_use && written->launches == 0))
    std::memset(segment.start, kFresh, segment.bytes);
  else if (segment.in_use)
    fill_written();
  segment.owner = block;
  segment.in_use = true;
}

void start_shared(Block* block, size_t dynamic_bytes) {
  segment.owner = nullptr;
  block->saved_static.clear();
  block->dynamic_bytes = dynamic_bytes;
  if (dynamic_bytes) {
    constexpr size_t kAlignment = 1024;
    auto& storage = block->dynamic_storage;
    if (storage.size() < dynamic_bytes + kAlignment) storage.resize(dynamic_bytes + kAlignment);
    block->dynamic =
        storage.data() + (kAlignment - reinterpret_cast<uintptr_t>(storage.data()) % kAlignment);
    std::memset(block->dynamic, kFresh, dynamic_bytes);
  }
  if (checking()) {
    shadow_shared(block->slot, 0, segment.bytes);
    shadow_shared(block->slot, kDynamicOffset, dynamic_bytes);
  }
}

void end_shared(Block* block, size_t most) {
  if (!segment.bytes) return;
  own_static_shared(block);
  see_written();
  size_t bytes = block->dynamic_bytes;
  for (size_t i = 0; i < written->variables.size(); ++i)
    if (written->variables[i]) bytes += (*segment.variables)[i].bytes;
  if (keeps_fresh()) {
    fill_written();
    is_filled[segment.start] = true;
  }
  if (block->dynamic_bytes && bytes > most)
    finding(cudaErrorInvalidValue,
            "%zu bytes of shared memory, %zu of them dynamic: a GPU refuses more than %zu", bytes,
            block->dynamic_bytes, most);
}

int64_t shared_offset(const void* p) {
  if (in_segment(p)) return static_cast<const char*>(p) - segment.start;
  const Block* block = running_thread()->block;
  const size_t offset = size_t(static_cast<const char*>(p) - block->dynamic);
  return offset < block->dynamic_bytes ? int64_t(kDynamicOffset + offset) : -1;
}

}  // namespace cudaemu

void* cudaemu_dynamic_shared() { return cudaemu::running_thread()->block->dynamic; }
