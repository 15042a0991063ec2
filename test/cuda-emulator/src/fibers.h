// Stacks of their own for code that has to wait, and the switch between them.
#pragma once
#include <cstddef>

namespace cudaemu {

struct Fiber {
  void* stack_pointer = nullptr;  // where it goes on; while it does not run
  char *stack = nullptr, *top = nullptr;
  size_t bytes = 0;
  void* sanitizer_state = nullptr;

  bool holds(const void* p) const { return size_t(static_cast<const char*>(p) - stack) < bytes; }
};

// `number` staggers the stacks: equal offsets within a page would share cache sets.
Fiber create_fiber(size_t bytes, size_t number, void (*entry)());
void restart_fiber(Fiber&, void (*entry)());  // forgets what was on its stack
void destroy_fiber(Fiber&);
Fiber fiber_of_this_thread();  // to switch back to

void switch_fiber(Fiber& from, Fiber& to);
void entered_fiber();  // the first thing that an entry function does

}  // namespace cudaemu
