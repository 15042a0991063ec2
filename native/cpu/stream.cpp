#include "cpu/stream.h"

#include <algorithm>
#include <chrono>
#include <system_error>
#include <utility>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "core/spin.h"
#include "core/stream.h"

namespace orthokit::cpu {
namespace {

constexpr uint64_t kMostHelpers = 1 << 16, kClosed = kMostHelpers;

// The next part of a step often comes within microseconds.
template <class Ready>
bool spin(Ready&& ready) {
  return orthokit::spin(std::chrono::microseconds(50), ready);
}

}  // namespace

Stream::Stream(int threads, Services services) : services_(services) {
  try {
    for (int i = 1; i < threads; ++i) {
      auto& h = *helpers_.emplace_back(std::make_unique<Helper>());
      h.thread = std::thread([this, &h, index = uint64_t(i - 1)] { helper(h, index); });
    }
  } catch (const std::system_error& e) {
    drop_unstarted();
    const size_t started = helpers_.size();
    stop();
    throw Error(ErrorCode::kBackend,
                "only " + std::to_string(started + 1) + " of " + std::to_string(threads) +
                    " threads could be started: " + e.code().message(),
                e.code().value());
  } catch (...) {
    drop_unstarted();
    stop();
    throw;
  }
}

void Stream::drop_unstarted() {
  if (!helpers_.empty() && !helpers_.back()->thread.joinable()) helpers_.pop_back();
}

void Stream::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  for (auto& h : helpers_) h->wake.notify_one();
  for (auto& h : helpers_) h->thread.join();
  helpers_.clear();
}

void Stream::helper(Helper& own, uint64_t index) {
  for (uint64_t seen = 0;;) {
    uint64_t call = 0;
    const auto called = [&] {
      call = call_;
      return (call != seen && index < call % kMostHelpers) || stopping_;
    };
    if (!spin(called)) {
      std::unique_lock lock(mutex_);
      own.asleep = true;
      own.wake.wait(lock, called);
      own.asleep = false;
    }
    if (stopping_) return;
    seen = call;
    if (!enter(call / kMostHelpers)) continue;
    work();
    door_.fetch_sub(1, std::memory_order_release);
  }
}

bool Stream::enter(uint64_t round) {
  uint64_t door = door_.load(std::memory_order_relaxed);
  do {
    if (door / (2 * kMostHelpers) != round || door & kClosed) return false;
  } while (!door_.compare_exchange_weak(door, door + 1, std::memory_order_acquire,
                                        std::memory_order_relaxed));
  return true;
}

// Stores that passed the caches by (cpu/streaming.h) come before what follows.
static void finish_streams() {
#ifdef __SSE2__
  _mm_sfence();
#endif
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
  finish_streams();
}

void Stream::parallel(int64_t count, const std::function<void(int64_t)>& all) {
  // Work that nobody waits for any more ends with the parts that have begun.
  given_up_ = running_work_given_up();
  const std::function<void(int64_t)> wanted = [this, &all](int64_t i) {
    if (!*given_up_) all(i);
  };
  const auto& body = given_up_ ? wanted : all;
  const auto check = [this] {
    if (is_given_up()) throw Error(ErrorCode::kDisposed, "the work was given up");
  };
  const int64_t helpers = runs_at_once() ? 0 : int64_t(helpers_.size());
  const auto called = uint64_t(std::min<int64_t>(count - 1, helpers));
  if (count <= 1 || called == 0) {
    for (int64_t i = 0; i < count; ++i) body(i);
    finish_streams();
    return check();
  }
  body_ = &body;
  count_ = count;
  next_ = 0;
  const uint64_t round = call_.load(std::memory_order_relaxed) / kMostHelpers + 1;
  door_.store(round * 2 * kMostHelpers, std::memory_order_release);
  // Sequentially consistent, as `asleep` is: either the helper sees the call before it sleeps, or
  // is seen asleep.
  call_ = round * kMostHelpers + called;
  for (uint64_t h = 0; h < called; ++h) {
    if (!helpers_[h]->asleep) continue;
    { std::lock_guard lock(mutex_); }  // until it waits
    helpers_[h]->wake.notify_one();
  }
  work();
  door_.fetch_or(kClosed, std::memory_order_relaxed);
  const auto left = [&] { return door_.load(std::memory_order_acquire) % kMostHelpers == 0; };
  while (!spin(left)) std::this_thread::yield();
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  check();
}

}  // namespace orthokit::cpu
