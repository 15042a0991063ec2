// Copies from global to shared memory that run beside the kernel: cp.async since sm_80, plain
// copies before. In the emulator a copy happens at the wait that it belongs to, so that a forgotten
// wait is seen.
#pragma once
#include "cuda/device/launch.cuh"

namespace orthokit::cuda {

// 16 bytes, of which the last 16 - valid become zero.
__device__ __forceinline__ void cp_async16(void* to, const void* from, int valid = 16) {
#if defined(ORTHOKIT_CUDAEMU)
  cudaemu_copy_async(to, from, 16, size_t(valid));
#elif __CUDA_ARCH__ >= 800
  const unsigned shared = static_cast<unsigned>(__cvta_generic_to_shared(to));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared), "l"(from), "r"(valid)
               : "memory");
#else
  uint4 v = make_uint4(0, 0, 0, 0);
  if (valid == 16)
    v = *static_cast<const uint4*>(from);
  else
    for (int i = 0; i < valid; ++i)
      reinterpret_cast<unsigned char*>(&v)[i] = static_cast<const unsigned char*>(from)[i];
  *static_cast<uint4*>(to) = v;
#endif
}

__device__ __forceinline__ void cp_async_commit() {
#if defined(ORTHOKIT_CUDAEMU)
  cudaemu_copy_async_commit();
#elif __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Until at most kPending of the committed groups are under way.
template <int kPending>
__device__ __forceinline__ void cp_async_wait() {
#if defined(ORTHOKIT_CUDAEMU)
  cudaemu_copy_async_wait(kPending);
#elif __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
#endif
}

}  // namespace orthokit::cuda
