// One lock around the whole runtime. It nests, opens for host functions, and can wait for another
// thread's progress.
#pragma once

namespace cudaemu {

class Lock {
 public:
  Lock();
  ~Lock();
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
};

class Unlocked {  // while host code runs that may wait for locks of its own
 public:
  Unlocked();
  ~Unlocked();
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;

 private:
  int depth_;
};

void wait_for_others();  // until another thread has left an Unlocked

}  // namespace cudaemu
