// cuBLAS' numbers, as the plug-in's own table of functions declares them, and how it rounds.
#pragma once
#include "cuda_runtime.h"
#undef threadIdx
#undef blockIdx
#undef blockDim
#undef gridDim

namespace cudaemu::blas {

enum Status {
  kSuccess = 0,
  kNotInitialized = 1,
  kAllocFailed = 3,
  kInvalidValue = 7,
  kExecutionFailed = 13,
  kNotSupported = 15
};
enum Type { kF32 = 0, kF64 = 1, kF16 = 2, kBf16 = 14 };
enum Compute {
  kCompute32 = 68,
  kCompute32Pedantic = 69,
  kCompute64 = 70,
  kCompute64Pedantic = 71,
  kCompute32FastF16 = 74,
  kCompute32FastBf16 = 75,
  kCompute32FastTf32 = 77
};
constexpr int kMathTf32 = 3, kPointerModeDevice = 1;

inline size_t bytes_of(int type) { return type == kF64 ? 8 : type == kF32 ? 4 : 2; }
double load(const void* data, int type, size_t index);
void store(void* data, int type, size_t index, double value);
// An input of a product, as its compute type sees it.
float rounded_input(float value, int type, int compute);

}  // namespace cudaemu::blas
