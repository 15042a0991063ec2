// Launches on a stream of ours, checked.
#pragma once
#include "cuda/device/launch.cuh"
#include "cuda/stream.h"

namespace orthokit::cuda {

inline constexpr int kWarp = 32;

struct Grid {
  dim3 blocks, threads;
  size_t shared = 0;  // bytes of dynamic shared memory
};

template <class... P, class... A>
void launch(Stream& stream, void (*kernel)(P...), const Grid& grid, A&&... arguments) {
  check(launch(kernel, Launch{grid.blocks, grid.threads, grid.shared, stream.handle()},
               std::forward<A>(arguments)...),
        "cudaLaunchKernel");
}

}  // namespace orthokit::cuda
