// Lines that are asked for before they are read, so that memory works while others are computed
// with.
#pragma once
#include <cstdint>

#include "cpu/variant.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Addresses beyond all memory do no harm.
inline void ask_for(const void* p, int64_t bytes) {
  constexpr int64_t kBytes = 64;  // of a line
  for (int64_t i = 0; i < bytes; i += kBytes) __builtin_prefetch(static_cast<const char*>(p) + i);
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
