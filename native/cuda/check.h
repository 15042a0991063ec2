// Results of the CUDA runtime as errors.
#pragma once
#include <cuda_runtime.h>

#include "core/error.h"

namespace orthokit::cuda {

// Of the device, for good: every later call of the process reports it.
inline bool is_fault(cudaError_t status) {
  switch (status) {
    case cudaErrorECCUncorrectable:
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
      return true;
    default:
      return false;
  }
}

// Throws CUDA's words: ERR_MEMORY where memory is short, else ERR_BACKEND.
inline void check(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // what does not stay must not be reported by the next launch
  std::string text =
      std::string(call) + ": " + cudaGetErrorString(status) + " (" + cudaGetErrorName(status) + ")";
  if (is_fault(status)) text += "; the fault stays, and ORTHOKIT_SYNC=1 shows whose it is";
  const bool memory = status == cudaErrorMemoryAllocation;
  throw Error(memory ? ErrorCode::kMemory : ErrorCode::kBackend, text, int32_t(status));
}

}  // namespace orthokit::cuda
