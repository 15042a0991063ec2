// The thread that runs a kernel as the kernel sees it, and the operations that threads do together.
#pragma once
#include "api.h"

namespace cudaemu {

struct Index {
  unsigned x, y, z;
};
struct Thread {
  Index thread_index, block_index;
  dim3 block_size, grid_size;
  unsigned lane, warp, linear;
};
// constinit: a use is one load, without the wrapper that could run a constructor.
extern constinit thread_local Thread* current
    __attribute__((tls_model("initial-exec"), visibility("default")));

enum BarrierKind { kPlain, kOr, kAnd, kCount };
enum WarpOp { kShuffle, kShuffleUp, kShuffleDown, kShuffleXor, kBallot, kAny, kAll, kSync, kCall };

}  // namespace cudaemu

// Every blocking call carries its place, so that divergence is reported by file and line.
#define ORTHOKIT_EMULATOR_PLACE const char *file = __builtin_FILE(), int line = __builtin_LINE()
ORTHOKIT_EMULATOR_API int cudaemu_barrier(int kind, int predicate, const char* file, int line);
ORTHOKIT_EMULATOR_API void cudaemu_grid_sync(const char* file, int line);
ORTHOKIT_EMULATOR_API uint64_t cudaemu_warp(int op, unsigned mask, uint64_t value, int argument,
                                            int width, const char* file, int line);
ORTHOKIT_EMULATOR_API void cudaemu_mma_bf16_16816(float* d, const unsigned* a, const unsigned* b,
                                                  const char* file, int line);
ORTHOKIT_EMULATOR_API void cudaemu_mma_f16_16816(float* d, const unsigned* a, const unsigned* b,
                                                 const char* file, int line);
ORTHOKIT_EMULATOR_API void cudaemu_load_matrices(unsigned* out, const unsigned* row,
                                                 bool transposed, const char* file, int line);
ORTHOKIT_EMULATOR_API void* cudaemu_dynamic_shared();
ORTHOKIT_EMULATOR_API void cudaemu_note_atomic(const void* address, size_t bytes);
ORTHOKIT_EMULATOR_API void cudaemu_note_fence();
ORTHOKIT_EMULATOR_API void cudaemu_copy_async(void* to, const void* from, size_t bytes,
                                              size_t valid);
ORTHOKIT_EMULATOR_API void cudaemu_copy_async_commit();
ORTHOKIT_EMULATOR_API void cudaemu_copy_async_wait(int pending);
ORTHOKIT_EMULATOR_API float cudaemu_wobble(float value, int ulp);

namespace cudaemu {

template <class T>
inline uint64_t to_bits(T value) {
  static_assert(sizeof(T) <= 8);
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}
template <class T>
inline T shuffle(WarpOp op, unsigned mask, T value, int argument, int width, const char* file,
                 int line) {
  const uint64_t bits = cudaemu_warp(op, mask, to_bits(value), argument, width, file, line);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace cudaemu

#define threadIdx (::cudaemu::current->thread_index)
#define blockIdx (::cudaemu::current->block_index)
#define blockDim (::cudaemu::current->block_size)
#define gridDim (::cudaemu::current->grid_size)
static constexpr int warpSize = 32;

inline void __syncthreads(ORTHOKIT_EMULATOR_PLACE) {
  cudaemu_barrier(cudaemu::kPlain, 0, file, line);
}
inline int __syncthreads_or(int predicate, ORTHOKIT_EMULATOR_PLACE) {
  return cudaemu_barrier(cudaemu::kOr, predicate, file, line);
}
inline int __syncthreads_and(int predicate, ORTHOKIT_EMULATOR_PLACE) {
  return cudaemu_barrier(cudaemu::kAnd, predicate, file, line);
}
inline int __syncthreads_count(int predicate, ORTHOKIT_EMULATOR_PLACE) {
  return cudaemu_barrier(cudaemu::kCount, predicate, file, line);
}
inline void __syncwarp(unsigned mask = 0xffffffffu, ORTHOKIT_EMULATOR_PLACE) {
  cudaemu_warp(cudaemu::kSync, mask, 0, 0, 32, file, line);
}
inline void __threadfence() { cudaemu_note_fence(); }
inline void __threadfence_block() {}

template <class T>
inline T __shfl_sync(unsigned mask, T value, int source, int width = 32, ORTHOKIT_EMULATOR_PLACE) {
  return cudaemu::shuffle(cudaemu::kShuffle, mask, value, source, width, file, line);
}
template <class T>
inline T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32,
                        ORTHOKIT_EMULATOR_PLACE) {
  return cudaemu::shuffle(cudaemu::kShuffleUp, mask, value, int(by), width, file, line);
}
template <class T>
inline T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32,
                          ORTHOKIT_EMULATOR_PLACE) {
  return cudaemu::shuffle(cudaemu::kShuffleDown, mask, value, int(by), width, file, line);
}
template <class T>
inline T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32,
                         ORTHOKIT_EMULATOR_PLACE) {
  return cudaemu::shuffle(cudaemu::kShuffleXor, mask, value, lanes, width, file, line);
}
inline unsigned __ballot_sync(unsigned mask, int predicate, ORTHOKIT_EMULATOR_PLACE) {
  return unsigned(cudaemu_warp(cudaemu::kBallot, mask, predicate != 0, 0, 32, file, line));
}
inline int __any_sync(unsigned mask, int predicate, ORTHOKIT_EMULATOR_PLACE) {
  return int(cudaemu_warp(cudaemu::kAny, mask, predicate != 0, 0, 32, file, line));
}
inline int __all_sync(unsigned mask, int predicate, ORTHOKIT_EMULATOR_PLACE) {
  return int(cudaemu_warp(cudaemu::kAll, mask, predicate != 0, 0, 32, file, line));
}
