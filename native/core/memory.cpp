#include "core/memory.h"

#include <algorithm>
#include <bit>

namespace orthokit {
namespace {
constexpr size_t kLeastPool = size_t(64)
                              << 20;  // the pool may hold as much as is alive, and at least this
}

size_t Memory::rounded(size_t bytes) {
  if (bytes <= 4096) return (bytes + 255) / 256 * 256 + (bytes == 0) * 256;
  const size_t step = std::bit_ceil(bytes) / 16;
  return (bytes + step - 1) / step * step;
}

void* Memory::allocate(size_t bytes) {
  std::shared_lock open(open_);
  if (released_) throw Error(ErrorCode::kDisposed, "the device is closed");
  void* data = nullptr;
  Failure failure;
  if (backend_.allocate(handle_, bytes, &data, &failure)) throw Error(failure);
  try {
    Pool one;
    one.emplace(bytes, Freed{data, 0});
    std::lock_guard lock(mutex_);
    blocks_.emplace(data, one.extract(one.begin()));
  } catch (...) {
    backend_.release(handle_, data);
    throw;
  }
  return data;
}

void* Memory::allocate_or_trim(size_t bytes, Ticket finished) {
  try {
    return allocate(bytes);
  } catch (const Error& e) {
    if (e.code != ErrorCode::kMemory) throw;
  }
  trim(finished, 0);
  return allocate(bytes);
}

void Memory::insist(size_t bytes, const std::function<void()>& allocate) {
  // Before anything waits: emptying the pool cannot help.
  if (bytes > total_)
    throw Error(ErrorCode::kMemory, "the device has " + std::to_string(total_) +
                                        " bytes, and not " + std::to_string(bytes));
  const auto is_short = [&] {
    try {
      allocate();
      return false;
    } catch (const Error& e) {
      if (e.code != ErrorCode::kMemory) throw;
      return true;
    }
  };
  if (!is_short()) return;
  trim(stream_.finished(), 0);
  if (!is_short()) return;
  // The last resort: blocks that queued work still uses come free in stream order.
  auto trimmed = std::make_shared<Reply<bool>>();
  stream_.submit_always([this, sender = std::make_shared<Reply<bool>::Sender>(trimmed)] {
    const auto answer = [&] {
      trim(stream_.finished(), 0);  // not what later work, of another thread, may use
      sender->send(true);
    };
    try {
      let_go_();
    } catch (...) {
      answer();
      throw;
    }
    answer();
  });
  trimmed->await();
  allocate();
}

void* Memory::take(size_t bytes) {
  if (stream_.closed()) throw Error(ErrorCode::kDisposed, "the device is closed");
  void* data = nullptr;
  {
    std::lock_guard lock(mutex_);
    if (auto at = pool_.find(bytes); at != pool_.end()) {
      pooled_ -= bytes;
      data = at->second.data;
      blocks_.find(data)->second = pool_.extract(at);
    }
  }
  if (!data) insist(bytes, [&] { data = allocate(bytes); });
  std::lock_guard lock(mutex_);
  ++live_;
  bytes_ += int64_t(bytes);
  peak_ = std::max(peak_, bytes_);
  return data;
}

void Memory::give(void* data, size_t bytes) {
  size_t most;
  {
    std::lock_guard lock(mutex_);
    --live_;
    bytes_ -= int64_t(bytes);
    if (released_) return;
    auto& node = blocks_.find(data)->second;
    node.mapped().ticket = stream_.last();
    pool_.insert(std::move(node));
    pooled_ += bytes;
    most = std::max(kLeastPool, size_t(bytes_));
    if (pooled_ <= most) return;
  }
  trim(stream_.finished(), most);
}

Memory::SharedPlace Memory::hold(const std::function<Shared()>& make) {
  if (stream_.closed()) throw Error(ErrorCode::kDisposed, "the device is closed");
  std::list<Shared> one(1);
  std::shared_lock open(open_);
  if (released_) throw Error(ErrorCode::kDisposed, "the device is closed");
  one.front() = make();
  std::lock_guard lock(mutex_);
  ++live_;
  bytes_ += int64_t(one.front().bytes);
  peak_ = std::max(peak_, bytes_);
  shared_.splice(shared_.begin(), one);
  return shared_.begin();
}

void Memory::let_go(SharedPlace place) noexcept {
  {
    std::lock_guard lock(mutex_);
    --live_;
    if (released_) return;
    bytes_ -= int64_t(place->bytes);
    place->ticket = stream_.last();
    leaving_.splice(leaving_.end(), shared_, place);
  }
  // If the queue takes no more, it goes with the next one, a step's end or the device.
  caught([&] { stream_.submit_always([this] { unmap(); }); },
         [](ErrorCode, const char*, int32_t) {});
}

void Memory::unmap() {
  const Ticket finished = stream_.finished();
  std::list<Shared> gone;
  std::lock_guard lock(mutex_);
  while (!leaving_.empty() && leaving_.front().ticket <= finished)
    gone.splice(gone.end(), leaving_, leaving_.begin());
}

void Memory::trim(Ticket finished, size_t keep) {
  std::lock_guard lock(mutex_);
  if (released_) return;
  for (auto at = pool_.end(); at != pool_.begin() && pooled_ > keep;) {  // the largest first
    --at;
    if (at->second.ticket > finished) continue;
    pooled_ -= at->first;
    blocks_.erase(at->second.data);
    backend_.release(handle_, at->second.data);
    at = pool_.erase(at);
  }
}

void* Memory::allocate_scratch(size_t bytes) { return allocate_or_trim(bytes, stream_.finished()); }

void Memory::release_scratch(void* data) {
  std::lock_guard lock(mutex_);
  blocks_.erase(data);
  backend_.release(handle_, data);
}

void Memory::release_all() {
  std::lock_guard closing(open_);
  std::lock_guard lock(mutex_);
  released_ = true;
  for (auto& [data, node] : blocks_)
    backend_.release(handle_, data);  // also of tensors that outlive the device
  blocks_.clear();
  for (const Shared& shared : shared_) bytes_ -= int64_t(shared.bytes);
  shared_.clear();
  leaving_.clear();
  pool_.clear();
  pooled_ = 0;
}

void Memory::leave_all() {
  std::lock_guard closing(open_);
  std::lock_guard lock(mutex_);
  released_ = true;
}

MemoryUse Memory::use() const {
  std::lock_guard lock(mutex_);
  return {live_, bytes_, peak_, int64_t(pooled_)};
}

}  // namespace orthokit
