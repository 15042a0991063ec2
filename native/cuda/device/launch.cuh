// Launching a kernel, and what of CUDA's language the emulator writes differently.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>
#include <utility>
#ifndef ORTHOKIT_CUDAEMU
#include <cooperative_groups.h>
#endif

namespace orthokit::cuda {

struct Launch {
  dim3 grid, block;
  size_t shared = 0;  // bytes of dynamic shared memory
  cudaStream_t stream = nullptr;
  bool cooperative = false;  // all blocks at once: the kernel may call grid_sync()
};

// Of a block, on every device, static and dynamic together. A kernel that could use more has a way
// without: what a device has beyond this differs, and is lost to its other blocks.
inline constexpr size_t kMostShared = 48 << 10;

template <class... P, class... A>
[[nodiscard]] cudaError_t launch(void (*kernel)(P...), const Launch& how, A&&... arguments) {
  cudaLaunchAttribute attribute;
  attribute.id = cudaLaunchAttributeCooperative;
  attribute.val.cooperative = 1;
  // By position: gridDim and blockDim are macros where kernels run on the host.
  const cudaLaunchConfig_t config{how.grid,   how.block,  how.shared,
                                  how.stream, &attribute, how.cooperative ? 1u : 0u};
  return cudaLaunchKernelEx(&config, kernel, static_cast<P>(std::forward<A>(arguments))...);
}

#ifdef ORTHOKIT_CUDAEMU
// Graphs take a kernel's arguments as pointers: the emulator asks the kernel's type what they are.
template <class... P>
void describe_kernel(void (*kernel)(P...)) {
  cudaemu::describe(kernel);
}
template <class T>
T* dyn_shared() {
  return static_cast<T*>(cudaemu_dynamic_shared());
}
inline void grid_sync(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  cudaemu_grid_sync(file, line);
}
#else
template <class... P>
void describe_kernel(void (*)(P...)) {}
template <class T>
__device__ __forceinline__ T* dyn_shared() {
  extern __shared__ __align__(16) unsigned char orthokit_dynamic_shared[];
  return reinterpret_cast<T*>(orthokit_dynamic_shared);
}
__device__ __forceinline__ void grid_sync() { cooperative_groups::this_grid().sync(); }
#endif

}  // namespace orthokit::cuda
