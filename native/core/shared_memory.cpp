#include "core/shared_memory.h"

#include <cerrno>

#ifdef __linux__
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

namespace orthokit {
namespace {

struct File {  // closes what nobody took
  int fd = -1;
  ~File() {
    if (fd >= 0) close(fd);
  }
  int take() { return std::exchange(fd, -1); }
};

[[noreturn]] void fail(const char* done) {
  const int number = errno;
  const ErrorCode code = number == ENOMEM || number == ENOSPC ? ErrorCode::kMemory
                         : number == ENOSYS                   ? ErrorCode::kUnsupported
                                                              : ErrorCode::kIo;
  throw Error(code,
              std::string("shared memory could not be ") + done + ", got " + std::strerror(number),
              number);
}

[[noreturn]] void refuse(const std::string& must, const std::string& got) {
  throw Error(ErrorCode::kFormat, "the memory must " + must + ", got " + got);
}

std::string random_name() {
  unsigned char bits[16];
  for (size_t done = 0; done < sizeof bits;) {
    const ssize_t count = getrandom(bits + done, sizeof bits - done, 0);
    if (count > 0)
      done += size_t(count);
    else if (errno != EINTR)
      fail("named");
  }
  std::string name = "orthokit-";
  for (const unsigned char byte : bits)
    name += "0123456789abcdef"[byte >> 4], name += "0123456789abcdef"[byte & 15];
  return name;
}

// How the system calls the file behind a descriptor of this process, or of another one's.
std::string link_of(const std::string& path) {
  char text[512];
  const ssize_t length = readlink(path.c_str(), text, sizeof text);
  if (length < 0) fail("found");
  return {text, size_t(length)};
}

int open_again(const std::string& path, int flags) {
  for (;;) {
    // A terminal, a FIFO or a device neither waits nor becomes this process's.
    const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags);
    if (fd >= 0) return fd;
    if (errno != EINTR) fail("opened");
  }
}

// Whoever cuts mapped memory off ends all that touch it, by a signal that nobody can handle well.
bool is_kept_whole(int fd) {
  const int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0) return false;
  return (seals & F_SEAL_SHRINK) != 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0;
}

// Without pages of its own, memory is found to be short when it is touched, by a signal that ends
// the process. Answers the error, 0 for none; what a call that fails had reserved is given back.
int reserve(int fd, size_t offset, size_t length) {
  sigset_t all, before;  // some systems begin anew after each signal, of a profiler's timer too
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error;
  do error = fallocate(fd, FALLOC_FL_KEEP_SIZE, off_t(offset), off_t(length)) ? errno : 0;
  while (error == EINTR);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return error;
}

void keep_pages(int fd, size_t offset, size_t length) {
  if (length == 0) return;  // none is touched
  const int error = reserve(fd, offset, length);
  if (error == 0) return;
  if (error == EOPNOTSUPP || error == ENOSYS) {
    struct stat about;
    if (fstat(fd, &about)) fail("examined");
    if (uint64_t(about.st_blocks) * 512 >= uint64_t(about.st_size)) return;
    throw Error(ErrorCode::kUnsupported,
                "the memory must have all its pages where they cannot be reserved, got some that "
                "are not there");
  }
  errno = error;
  fail("reserved");
}

}  // namespace

SharedMemory SharedMemory::create(size_t bytes) {
  SharedMemory memory;
  memory.name_ = random_name();
  const size_t size = bytes ? bytes : 1;  // no mapping is empty
  File file{memfd_create(memory.name_.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  if (file.fd < 0) fail("made");
  if (fchmod(file.fd, 0600) || ftruncate(file.fd, off_t(size))) fail("made");
  if (fcntl(file.fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) fail("sealed");
  keep_pages(file.fd, 0, size);
  memory.map(file.fd, 0, size);
  memory.file_ = file.take();
  return memory;
}

SharedMemory SharedMemory::attach(const SharedSource& source) {
  // A file of another name is not even opened, and one that was exchanged meanwhile is noticed.
  const auto named = [&](const std::string& path) {
    return source.link.empty() || link_of(path) == source.link;
  };
  if (!named(source.path)) refuse("be that of the handle", "another file");
  File file{open_again(source.path, source.link.empty() ? O_NOFOLLOW : 0)};
  if (!named("/proc/self/fd/" + std::to_string(file.fd)))
    refuse("be that of the handle", "another file");
  struct stat about;
  if (fstat(file.fd, &about)) fail("examined");
  if (!S_ISREG(about.st_mode)) refuse("be memory", "a file of another kind");
  if (about.st_uid != geteuid()) refuse("be of this user", "that of another");
  // The descriptors of a process are its user's; names in /dev/shm are for whomever modes allow.
  if (source.link.empty() && (about.st_mode & 077) != 0)
    refuse("be for this user alone, as mode 0600 is", "a mode that lets others in");
  const auto has_size = [&] {
    if (uint64_t(about.st_size) != source.size)
      refuse("have " + std::to_string(source.size) + " bytes as the handle says",
             std::to_string(about.st_size));
  };
  has_size();
  if (source.offset > source.size || source.length > source.size - source.offset)
    refuse("have room for " + std::to_string(source.length) + " bytes at " +
               std::to_string(source.offset),
           std::to_string(source.size) + " bytes");
  // The seal stays on memory of another process: none is set for a handle that is refused.
  if (!source.unsealed) {
    if (!is_kept_whole(file.fd))
      refuse("be sealed against shrinking, or memory whose seals may be set",
             "some that its owner could cut off while it is in use");
    // The size is final now that the memory cannot shrink any more.
    if (fstat(file.fd, &about)) fail("examined");
    has_size();
  }
  keep_pages(file.fd, source.offset, source.length);
  SharedMemory memory;
  memory.map(file.fd, source.offset, source.length);
  return memory;
}

void SharedMemory::map(int file, size_t offset, size_t length) {
  const size_t page = size_t(sysconf(_SC_PAGESIZE));
  const size_t skipped = offset % page, whole = skipped + (length ? length : 1);
  void* data =
      mmap(nullptr, whole, PROT_READ | PROT_WRITE, MAP_SHARED, file, off_t(offset - skipped));
  if (data == MAP_FAILED) fail("mapped");
  mapped_ = data, mapped_bytes_ = whole, skipped_ = skipped, bytes_ = length;
}

SharedMemory::~SharedMemory() {
  if (mapped_) munmap(mapped_, mapped_bytes_);
  if (file_ >= 0) close(file_);
}

}  // namespace orthokit

#else

namespace orthokit {

SharedMemory SharedMemory::create(size_t) {
  throw Error(ErrorCode::kUnsupported, "this system has no memory of the kind that is shared");
}
SharedMemory SharedMemory::attach(const SharedSource&) { return create(0); }
void SharedMemory::map(int, size_t, size_t) {}
SharedMemory::~SharedMemory() = default;

}  // namespace orthokit

#endif
