#include "cpu/stream.h"

#include <chrono>
#include <system_error>
#include <utility>

namespace orthokit::cpu {
namespace {

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// The next part of a step often comes within microseconds; a thread that sleeps takes 50 to wake.
template <class Ready>
bool spin(Ready&& ready) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(50);
  do {
    for (int i = 0; i < 32; ++i) {
      if (ready()) return true;
      relax();
    }
  } while (std::chrono::steady_clock::now() < until);
  return false;
}

}  // namespace

Stream::Stream(int threads, Services services) : services_(services) {
  try {
    for (int i = 1; i < threads; ++i) threads_.emplace_back([this] { helper(); });
  } catch (const std::system_error& e) {
    const size_t started = threads_.size();
    stop();
    throw Error(ErrorCode::kBackend,
                "only " + std::to_string(started + 1) + " of " + std::to_string(threads) +
                    " threads could be started: " + e.code().message(),
                e.code().value());
  }
}

void Stream::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (auto& t : threads_) t.join();
  threads_.clear();
}

void Stream::helper() {
  for (uint64_t seen = 0;;) {
    const auto called = [&] { return round_.load(std::memory_order_acquire) != seen || stopping_; };
    if (!spin(called)) {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, called);
    }
    if (stopping_) return;
    ++seen;
    work();
    busy_.fetch_sub(1, std::memory_order_release);
  }
}

void Stream::work() {
  for (int64_t i; (i = next_.fetch_add(1)) < count_;) {
    try {
      (*body_)(i);
    } catch (...) {
      std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
    }
  }
}

void Stream::parallel(int64_t count, const std::function<void(int64_t)>& body) {
  if (count <= 1 || threads_.empty()) {
    for (int64_t i = 0; i < count; ++i) body(i);
    return;
  }
  body_ = &body;
  count_ = count;
  next_ = 0;
  busy_ = int(threads_.size());
  {
    std::lock_guard lock(mutex_);
    round_.fetch_add(1, std::memory_order_release);
  }
  wake_.notify_all();
  work();
  while (busy_.load(std::memory_order_acquire) != 0) {
    if (!spin([&] { return busy_.load(std::memory_order_acquire) == 0; }))
      std::this_thread::yield();
  }
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

}  // namespace orthokit::cpu
