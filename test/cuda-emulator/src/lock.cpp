#include "lock.h"

#include <condition_variable>
#include <mutex>
#include <utility>

namespace cudaemu {
namespace {

std::mutex& mutex = *new std::mutex;
std::condition_variable& progress = *new std::condition_variable;
thread_local int depth = 0;

}  // namespace

Lock::Lock() {
  if (depth++ == 0) mutex.lock();
}
Lock::~Lock() {
  if (--depth == 0) mutex.unlock();
}

Unlocked::Unlocked() : depth_(std::exchange(depth, 0)) { mutex.unlock(); }
Unlocked::~Unlocked() {
  mutex.lock();
  depth = depth_;
  progress.notify_all();
}

void wait_for_others() {
  const int before = std::exchange(depth, 0);
  std::unique_lock lock(mutex, std::adopt_lock);
  progress.wait(lock);
  lock.release();
  depth = before;
}

}  // namespace cudaemu
