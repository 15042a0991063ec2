// Stands for CUDA's header of types of the driver's functions, by the version that brought them.
#pragma once
#include "cuda.h"

typedef CUresult (*PFN_cuMemGetAddressRange_v3020)(CUdeviceptr_v2*, size_t*, CUdeviceptr_v2);
