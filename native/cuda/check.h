// Results of the CUDA runtime as errors.
#pragma once
#include <cuda_runtime.h>

#include "core/error.h"

namespace orthokit::cuda {

// Throws CUDA's words: ERR_MEMORY where memory is short, else ERR_BACKEND. What stays (a fault on
// the device) comes back from every later call too, until the process ends.
inline void check(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // what does not stay must not be reported by the next launch
  const auto code = status == cudaErrorMemoryAllocation ? ErrorCode::kMemory : ErrorCode::kBackend;
  throw Error(
      code,
      std::string(call) + ": " + cudaGetErrorString(status) + " (" + cudaGetErrorName(status) + ")",
      int32_t(status));
}

}  // namespace orthokit::cuda
