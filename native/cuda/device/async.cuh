// Copies from global to shared memory that run beside the kernel: cp.async since sm_80, plain
// copies before. In the emulator a copy happens at the wait that it belongs to, so that a forgotten
// wait is seen.
#pragma once
#include <cstring>
#include <type_traits>

#include "cuda/device/launch.cuh"

namespace orthokit::cuda {

template <int kBytes>
using CopyWord =
    std::conditional_t<kBytes == 16, uint4, std::conditional_t<kBytes == 8, uint2, unsigned>>;

// kBytes (4, 8 or 16, and aligned to that), of which the last kBytes - valid become zero; valid is
// even.
template <int kBytes>
__device__ __forceinline__ void cp_async(void* to, const void* from, int valid = kBytes) {
#if defined(ORTHOKIT_CUDAEMU)
  cudaemu_copy_async(to, from, kBytes, size_t(valid));
#elif __CUDA_ARCH__ >= 800
  const unsigned shared = static_cast<unsigned>(__cvta_generic_to_shared(to));
  if constexpr (kBytes == 16)
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared), "l"(from),
                 "r"(valid)
                 : "memory");
  else
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(shared), "l"(from),
                 "n"(kBytes), "r"(valid)
                 : "memory");
#else
  unsigned words[kBytes / 4] = {};
  if (valid == kBytes) {
    const auto whole = *static_cast<const CopyWord<kBytes>*>(from);
    memcpy(words, &whole, kBytes);
  } else {
#pragma unroll
    for (int i = 0; i < kBytes / 4; ++i)
      if (valid >= 4 * i + 4)
        words[i] = static_cast<const unsigned*>(from)[i];
      else if (valid > 4 * i)
        words[i] = static_cast<const unsigned short*>(from)[2 * i];
  }
  CopyWord<kBytes> whole;
  memcpy(&whole, words, kBytes);
  *static_cast<CopyWord<kBytes>*>(to) = whole;
#endif
}

__device__ __forceinline__ void cp_async16(void* to, const void* from, int valid = 16) {
  cp_async<16>(to, from, valid);
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
