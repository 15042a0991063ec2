// Matrix instructions of a warp: d += a (16x16) * b (16x8), bf16 in, f32 out.
#pragma once
#include "cuda/device/launch.cuh"

namespace orthokit::cuda {

// Every lane calls it. With g = lane / 4 and t = lane % 4 (PTX ISA, mma.m16n8k16), two bf16 a word:
//   a[0..3]  rows g, g+8, g, g+8 at columns 2t, 2t+1 (first two) and 2t+8, 2t+9 (last two)
//   b[0..1]  column g at rows 2t, 2t+1 and 2t+8, 2t+9
//   d[0..3]  (g, 2t) (g, 2t+1) (g+8, 2t) (g+8, 2t+1)
// sm_80 and later: the host launches no kernel with it on older devices.
__device__ __forceinline__ void mma_bf16_16816(float (&d)[4], const unsigned (&a)[4],
                                               const unsigned (&b)[2]) {
#if defined(ORTHOKIT_CUDAEMU)
  cudaemu_mma_bf16_16816(d, a, b, __builtin_FILE(), __builtin_LINE());
#elif __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#elif defined(__CUDA_ARCH__)
  __trap();
#endif
}

}  // namespace orthokit::cuda
