// Matrix instructions of a warp, and the loads of what they multiply.
#pragma once
#include "cuda/device/launch.cuh"

namespace orthokit::cuda {

// d += a (16x16) * b (16x8), 16-bit numbers in, f32 out. Every lane calls it. With g = lane / 4 and
// t = lane % 4 (PTX ISA, mma.m16n8k16), two numbers a word:
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

// sm_75 does it in two halves of the depth.
__device__ __forceinline__ void mma_f16_16816(float (&d)[4], const unsigned (&a)[4],
                                              const unsigned (&b)[2]) {
#if defined(ORTHOKIT_CUDAEMU)
  cudaemu_mma_f16_16816(d, a, b, __builtin_FILE(), __builtin_LINE());
#elif __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#elif defined(__CUDA_ARCH__)
#pragma unroll
  for (int i = 0; i < 2; ++i)
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, "
        "{%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[2 * i]), "r"(a[2 * i + 1]), "r"(b[i]));
#endif
}

// Four 8x8 matrices of 16-bit numbers from shared memory: lane l gives the address of row l % 8 of
// matrix l / 8, 16 bytes, aligned. It gets of matrix i in out[i]: row l / 4, columns 2 (l % 4) and
// the next; transposed, column l / 4, rows 2 (l % 4) and the next.
template <bool transposed>
__device__ __forceinline__ void load_matrices(unsigned (&out)[4], const void* row) {
#if defined(ORTHOKIT_CUDAEMU)
  const uint4 words = *static_cast<const uint4*>(row);
  cudaemu_load_matrices(out, &words.x, transposed, __builtin_FILE(), __builtin_LINE());
#elif defined(__CUDA_ARCH__)
  const unsigned shared = static_cast<unsigned>(__cvta_generic_to_shared(row));
  if constexpr (transposed)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(shared)
                 : "memory");
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(shared)
                 : "memory");
#endif
}

}  // namespace orthokit::cuda
