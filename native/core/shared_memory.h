// Memory that several processes map: a memfd, which has no name in any folder and ends with its
// last user, or an object of /dev/shm. Linux only.
#pragma once
#include <string>
#include <utility>

#include "core/error.h"

namespace orthokit {

// The place of memory of another process, and demands on it.
struct SharedSource {
  std::string path;       // of /proc/<pid>/fd or /dev/shm
  std::string link;       // what the open file must be called there; empty: a file of its own name
  size_t size;            // of the whole memory
  size_t offset, length;  // the part that is mapped, in bytes
  bool unsealed;          // memory that may be cut off while it is in use is taken, too
};

class SharedMemory {
 public:
  // Fresh zeros, of a random name, for this user alone, sealed: nobody can change their size. All
  // pages are there: ERR_MEMORY if the system has none for them.
  static SharedMemory create(size_t bytes);
  // Memory of this user's that another process has made, with all pages of the part. ERR_IO if
  // there is none, ERR_FORMAT if it is not what it must be, which changes nothing of it; ERR_MEMORY
  // if pages are missing and the system has none.
  static SharedMemory attach(const SharedSource&);

  SharedMemory(SharedMemory&& other) noexcept { swap(other); }
  SharedMemory& operator=(SharedMemory&& other) noexcept { return swap(other), *this; }
  ~SharedMemory();

  void* data() const { return static_cast<char*>(mapped_) + skipped_; }
  size_t bytes() const { return bytes_; }
  int file() const { return file_; }  // -1: of another process
  const std::string& name() const { return name_; }

 private:
  SharedMemory() = default;
  void map(int file, size_t offset, size_t length);
  void swap(SharedMemory& other) noexcept {
    std::swap(mapped_, other.mapped_), std::swap(mapped_bytes_, other.mapped_bytes_);
    std::swap(skipped_, other.skipped_), std::swap(bytes_, other.bytes_);
    std::swap(file_, other.file_), std::swap(name_, other.name_);
  }
  void* mapped_ = nullptr;
  size_t mapped_bytes_ = 0, skipped_ = 0;  // before the part begins: mappings begin at a page
  size_t bytes_ = 0;
  int file_ = -1;
  std::string name_;
};

}  // namespace orthokit
