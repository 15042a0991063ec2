// Stands for the header of the CUDA driver's functions, of which host code asks the runtime for the
// few that it calls: cudaGetDriverEntryPointByVersion.
#pragma once
#include <cstddef>

enum CUresult {
  CUDA_SUCCESS = 0,
  CUDA_ERROR_INVALID_VALUE = 1,
  CUDA_ERROR_INVALID_CONTEXT = 201,
};
typedef unsigned long long CUdeviceptr;
typedef CUdeviceptr CUdeviceptr_v2;
