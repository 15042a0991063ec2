// Memory of a device that somebody works with beside the device's own stream, such as an engine of
// collectives: the device ends when that is over.
#pragma once
#include <condition_variable>
#include <memory>
#include <mutex>

#include "core/error.h"

namespace orthokit {

class Loans {
 public:
  // On the stream's thread, at its end: waits for all of them, and there is none from then on.
  // False: somebody may use the memory still, which therefore stays as it is.
  bool settle() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return open_ == 0 || is_halted_; });
    is_settled_ = true;
    return open_ == 0 && !has_lost_;
  }
  void halt() {  // nobody waits any more
    std::lock_guard lock(mutex_);
    is_halted_ = true;
    changed_.notify_all();
  }

 private:
  friend class Loan;
  void begin() {
    std::lock_guard lock(mutex_);
    if (is_settled_) throw Error(ErrorCode::kDisposed, "the device is closed");
    ++open_;
  }
  void end(bool is_lost) {
    std::lock_guard lock(mutex_);
    --open_;
    has_lost_ |= is_lost;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  int open_ = 0;
  bool has_lost_ = false, is_halted_ = false, is_settled_ = false;
};

class Loan {
 public:
  // `owner` keeps the loans. @throws ERR_DISPOSED
  Loan(Loans& loans, std::shared_ptr<void> owner) : owner_(std::move(owner)), loans_(loans) {
    loans_.begin();
  }
  ~Loan() {
    if (!is_lost_) loans_.end(false);
  }
  Loan(const Loan&) = delete;
  // Nobody will know when it is over: the device ends without its memory, which the process keeps.
  void lose() {
    if (!is_lost_) loans_.end(true);
    is_lost_ = true;
  }

 private:
  const std::shared_ptr<void> owner_;
  Loans& loans_;
  bool is_lost_ = false;
};

}  // namespace orthokit
