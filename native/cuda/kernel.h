// How a kernel's file makes its kernel known.
#pragma once
#include "core/kernel.h"
#include "cuda/stream.h"

// The last line of a kernel's file, inside namespace orthokit::cuda.
#define ORTHOKIT_KERNEL(Op, kernel) ORTHOKIT_REGISTER_KERNEL(Op, kernel, "")

// The same for a kernel of several launches that come again with every step.
#define ORTHOKIT_GRAPH_KERNEL(Op, kernel)                    \
  static void kernel##_graph(const Op& op, Stream& stream) { \
    stream.graphs().run([&] { kernel(op, stream); });        \
  }                                                          \
  ORTHOKIT_REGISTER_KERNEL(Op, kernel##_graph, "")
