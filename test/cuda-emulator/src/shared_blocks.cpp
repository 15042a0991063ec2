#include "shared_blocks.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <string>

#include "api.h"
#include "options.h"

namespace cudaemu {
namespace {

struct Name {  // what the 64 bytes of a handle are here; a program may not look
  char magic[8];
  int32_t process, file, device, unused;
  uint64_t bytes;
  unsigned char random[16];
};
static_assert(sizeof(Name) <= sizeof(cudaIpcMemHandle_t));
constexpr char kMagic[sizeof Name::magic] = {'c', 'u', 'd', 'a', 'e', 'm', 'u', '1'};

constexpr size_t kMostOpeners = 256;
struct FirstPage {
  Name name;
  std::atomic<int32_t> openers[kMostOpeners];  // processes; 0: nobody
};
static_assert(sizeof(FirstPage) <= 4096);
size_t page_bytes() { return size_t(sysconf(_SC_PAGESIZE)); }

struct Shared {
  Name name;
  FirstPage* first;
};
std::map<char*, Shared>& shared() {
  static auto& shared = *new std::map<char*, Shared>;
  return shared;
}
struct Open {
  Name name;
  FirstPage* first;
  int count;
};
std::map<char*, Open>& open_blocks() {
  static auto& open = *new std::map<char*, Open>;
  return open;
}

bool lives(int32_t process) { return kill(process, 0) == 0 || errno == EPERM; }

std::string file_name(const Name& name) {
  std::string text = "cudaemu-";
  for (const unsigned char byte : name.random)
    text += "0123456789abcdef"[byte >> 4], text += "0123456789abcdef"[byte & 15];
  return text;
}

FirstPage* map_first(int file) {
  void* p = mmap(nullptr, page_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  return p == MAP_FAILED ? nullptr : static_cast<FirstPage*>(p);
}

// Whoever was ended has no block open any more.
bool enter_opener(FirstPage& first) {
  for (auto& opener : first.openers) {
    int32_t before = opener;
    if ((before == 0 || !lives(before)) && opener.compare_exchange_strong(before, getpid()))
      return true;
  }
  return false;
}
void leave_opener(FirstPage& first) {
  for (auto& opener : first.openers) {
    int32_t self = getpid();
    if (opener.compare_exchange_strong(self, 0)) return;
  }
}

// The file of a handle, which may be any bytes; -1: there is none such.
int file_of(const Name& name) {
  if (std::memcmp(name.magic, kMagic, sizeof kMagic) != 0 || name.process <= 0 || name.file < 0 ||
      name.bytes == 0 || name.bytes > options().memory)
    return -1;
  const std::string path =
      "/proc/" + std::to_string(name.process) + "/fd/" + std::to_string(name.file);
  char link[128] = {};
  if (readlink(path.c_str(), link, sizeof link - 1) < 0 ||
      "/memfd:" + file_name(name) + " (deleted)" != link)
    return -1;
  const int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
  struct stat about;
  if (file >= 0 && fstat(file, &about) == 0 && uint64_t(about.st_size) >= page_bytes() + name.bytes)
    return file;
  if (file >= 0) close(file);
  return -1;
}

}  // namespace

cudaError_t share_block(const Allocation& allocation, cudaIpcMemHandle_t* handle) {
  auto found = shared().find(allocation.start);
  if (found == shared().end()) {
    Name name{};
    std::memcpy(name.magic, kMagic, sizeof kMagic);
    name.process = getpid(), name.device = allocation.device, name.bytes = allocation.bytes;
    if (getrandom(name.random, sizeof name.random, 0) != ssize_t(sizeof name.random))
      return cudaErrorMapBufferObjectFailed;
    name.file = memfd_create(file_name(name).c_str(), MFD_CLOEXEC);
    if (name.file < 0) return cudaErrorMapBufferObjectFailed;
    FirstPage* first = nullptr;
    if (ftruncate(name.file, off_t(page_bytes() + allocation.room)) == 0)
      first = map_first(name.file);
    const DeviceAccess access;
    if (!first || pwrite(name.file, allocation.start, allocation.bytes, off_t(page_bytes())) !=
                      ssize_t(allocation.bytes)) {
      if (first) munmap(first, page_bytes());
      close(name.file);
      return cudaErrorMapBufferObjectFailed;
    }
    first->name = name;
    map_pages(allocation, name.file, page_bytes());
    found = shared().emplace(allocation.start, Shared{name, first}).first;
  }
  *handle = {};
  std::memcpy(handle, &found->second.name, sizeof(Name));
  return cudaSuccess;
}

bool end_sharing(char* start) {
  const auto found = shared().find(start);
  if (found == shared().end()) return false;
  for (const auto& opener : found->second.first->openers)
    if (const int32_t process = opener; process != 0 && lives(process))
      finding(cudaErrorInvalidValue, "free of %p, which process %d has open", start, process);
  munmap(found->second.first, page_bytes());
  close(found->second.name.file);
  shared().erase(found);
  return true;
}

cudaError_t open_block(void** p, const cudaIpcMemHandle_t& handle) {
  Name name;
  std::memcpy(&name, &handle, sizeof name);
  for (auto& [start, open] : open_blocks())
    if (std::memcmp(&open.name, &name, sizeof name) == 0) {
      ++open.count;
      *p = start;
      return cudaSuccess;
    }
  // The driver has no context here in which memory of this context could appear once more.
  if (name.process == getpid()) return cudaErrorDeviceUninitialized;
  const int file = file_of(name);
  if (file < 0) return cudaErrorInvalidValue;
  FirstPage* first = nullptr;
  void* start = nullptr;
  // Devices here have no access to each other's memory.
  if (name.device == current_device()) first = map_first(file);
  if (first && std::memcmp(&first->name, &name, sizeof name) == 0 && enter_opener(*first)) {
    start = open_pages(name.device, name.bytes, file, page_bytes());
    if (!start) leave_opener(*first);
  }
  close(file);
  if (!start) {
    if (first) munmap(first, page_bytes());
    return cudaErrorMapBufferObjectFailed;
  }
  open_blocks().emplace(static_cast<char*>(start), Open{name, first, 1});
  *p = start;
  return cudaSuccess;
}

bool close_block(void* p) {
  const auto found = open_blocks().find(static_cast<char*>(p));
  if (found == open_blocks().end()) return false;
  if (--found->second.count > 0) return true;
  close_pages(p);
  leave_opener(*found->second.first);
  munmap(found->second.first, page_bytes());
  open_blocks().erase(found);
  return true;
}

}  // namespace cudaemu
