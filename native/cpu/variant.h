// Kernels are compiled once per instruction set, each time in a namespace of its own, so that no
// inline function of one variant is taken for another's. Kernel files and the helpers they include
// open
//   namespace orthokit::cpu::inline ORTHOKIT_ISA { … }
#pragma once
#include "core/kernel.h"
#include "cpu/stream.h"

#ifndef ORTHOKIT_ISA
#define ORTHOKIT_ISA portable
#endif
#define ORTHOKIT_STRING_OF(word) #word
#define ORTHOKIT_STRING(word) ORTHOKIT_STRING_OF(word)

// The last line of a kernel's file, inside its namespace.
#define ORTHOKIT_KERNEL(Op, kernel) \
  ORTHOKIT_REGISTER_KERNEL(Op, kernel, ORTHOKIT_STRING(ORTHOKIT_ISA))
