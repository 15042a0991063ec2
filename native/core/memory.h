// The memory of one device: a pool of freed blocks, counters, and recovery when the backend has no
// more.
#pragma once
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <shared_mutex>

#include "core/backend.h"
#include "core/stream.h"

namespace orthokit {

struct MemoryUse {
  // Tensors alive, their bytes, the most bytes so far, and bytes of freed blocks that are kept.
  int64_t live, bytes, peak, pooled;
};

class Memory {
 public:
  // `total` is all that the device has, in bytes; `let_go` queues, on the stream's thread, work
  // that is held back, and unmaps what that has used.
  Memory(const Backend& backend, void* const& handle, Stream& stream, int64_t total,
         Stream::Work let_go)
      : backend_(backend),
        handle_(handle),
        stream_(stream),
        total_(size_t(total)),
        let_go_(std::move(let_go)) {}

  // A block for a tensor: from the pool, else from the backend. Not on the stream's thread.
  void* take(size_t bytes);
  void give(void* data, size_t bytes);  // queued work may still use it; any thread
  // Memory that other processes map, too: while it is held it counts as that of a tensor. The owner
  // goes on the stream's thread.
  struct Shared {
    std::shared_ptr<void> owner;
    size_t bytes = 0;
    Ticket ticket = 0;  // the last work that may use it
  };
  using SharedPlace = std::list<Shared>::iterator;
  SharedPlace hold(const std::function<Shared()>& make);
  void let_go(SharedPlace place) noexcept;  // queued work may still use it; any thread
  // Ends shared memory that was let go and no work can use any more. On the stream's thread, also
  // whenever work that was held has finished: nothing may come behind it that would see to it.
  void unmap();
  // Calls `allocate`; if it finds too little memory, again once the pool has been emptied, and once
  // more behind queued work. Not on the stream's thread.
  void insist(size_t bytes, const std::function<void()>& allocate);
  void* allocate_scratch(size_t bytes);  // on the thread that runs the work; until release
  void release_scratch(void* data);      // the same
  void release_all();                    // on the stream's thread, at its end
  void leave_all();                      // the same where somebody may use it still
  MemoryUse use() const;
  static size_t rounded(size_t bytes);  // the size class: sizes that differ by little share blocks

 private:
  struct Freed {
    void* data;
    Ticket ticket;  // the last work that may use it
  };
  using Pool = std::multimap<size_t, Freed>;  // by size class
  void* allocate(size_t bytes);
  void* allocate_or_trim(size_t bytes, Ticket finished);
  void trim(Ticket finished, size_t keep);  // back to the backend, what no work can use any more

  const Backend& backend_;
  void* const& handle_;
  Stream& stream_;
  const size_t total_;
  const Stream::Work let_go_;
  std::shared_mutex open_;  // shared while the backend allocates: its end comes after
  mutable std::mutex mutex_;
  Pool pool_;
  // All that the backend gave, each with its node of the pool while it is in use: giving a block
  // back needs no memory.
  std::map<void*, Pool::node_type> blocks_;
  std::list<Shared> shared_, leaving_;
  size_t pooled_ = 0;
  int64_t live_ = 0, bytes_ = 0, peak_ = 0;
  bool released_ = false;
};

}  // namespace orthokit
