// Runs the blocks of a launch, one after another or, for a cooperative one, all at once.
#pragma once
#include "cuda_runtime.h"
#undef threadIdx
#undef blockIdx
#undef blockDim
#undef gridDim

namespace cudaemu {

struct GridShape {
  dim3 grid, block;
  size_t shared;       // bytes of dynamic shared memory
  size_t most_shared;  // with the static bytes
  Launch launch;
  bool cooperative;
};
void run_grid(const GridShape&);

}  // namespace cudaemu
