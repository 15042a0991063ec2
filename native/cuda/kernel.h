// How a kernel's file makes its kernel known.
#pragma once
#include "core/kernel.h"
#include "cuda/stream.h"

// The last line of a kernel's file, inside namespace orthokit::cuda.
#define ORTHOKIT_KERNEL(Op, kernel) ORTHOKIT_REGISTER_KERNEL(Op, kernel, "")
