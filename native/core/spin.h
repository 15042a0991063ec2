// Looking for a moment, before a thread sleeps: to be woken takes it 50 microseconds.
#pragma once
#include <chrono>

namespace orthokit {

// True as soon as ready() is, false if that takes longer.
template <class Ready>
bool spin(std::chrono::microseconds longest, Ready&& ready) {
  const auto until = std::chrono::steady_clock::now() + longest;
  do {
    for (int i = 0; i < 32; ++i) {
      if (ready()) return true;
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
    }
  } while (std::chrono::steady_clock::now() < until);
  return false;
}

}  // namespace orthokit
