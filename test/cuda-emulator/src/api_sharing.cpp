// Memory of devices between processes, and what a pointer points to.
#include <cuda.h>

#include <algorithm>
#include <cstring>

#include "api.h"
#include "shared_blocks.h"

using namespace cudaemu;

cudaError_t cudaIpcGetMemHandle(cudaIpcMemHandle_t* handle, void* p) {
  ORTHOKIT_EMULATOR_ENTER("cudaIpcGetMemHandle");
  const Allocation* allocation = find_allocation(p);
  if (!allocation || allocation->origin != Origin::kMalloc) return answer(cudaErrorInvalidValue);
  if (allocation->start != p) {
    finding(cudaErrorInvalidValue, "a handle names whole allocations, and %p lies within one", p);
    return answer(cudaErrorInvalidValue);
  }
  return answer(share_block(*allocation, handle));
}
cudaError_t cudaIpcOpenMemHandle(void** p, cudaIpcMemHandle_t handle, unsigned flags) {
  *p = nullptr;
  ORTHOKIT_EMULATOR_ENTER("cudaIpcOpenMemHandle");
  ORTHOKIT_EMULATOR_REFUSE_IN_CAPTURE("cudaIpcOpenMemHandle");
  if (flags != cudaIpcMemLazyEnablePeerAccess) return answer(cudaErrorInvalidValue);
  return answer(open_block(p, handle));
}
// Unlike cudaFree it does not promise to wait: what is queued and comes later finds no memory.
cudaError_t cudaIpcCloseMemHandle(void* p) {
  const Lock lock;
  const cudaError_t entered = enter("cudaIpcCloseMemHandle");
  ORTHOKIT_EMULATOR_REFUSE_IN_CAPTURE("cudaIpcCloseMemHandle");
  if (!close_block(p)) {
    finding(cudaErrorInvalidValue, "close of %p, which is no open memory of another process", p);
    return leave(entered, cudaErrorInvalidValue);
  }
  return leave(entered, cudaSuccess);
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* p) {
  ORTHOKIT_EMULATOR_ENTER("cudaPointerGetAttributes");
  *attributes = {};
  void* pointer = const_cast<void*>(p);
  if (find_allocation(p))
    *attributes = {cudaMemoryTypeDevice, device_of(p), pointer, nullptr, {}};
  else if (is_pinned(p, 1))
    *attributes = {cudaMemoryTypeHost, current_device(), pointer, pointer, {}};
  else
    *attributes = {cudaMemoryTypeUnregistered, -1, nullptr, pointer, {}};
  return cudaSuccess;
}

namespace {

CUresult address_range(CUdeviceptr* base, size_t* bytes, CUdeviceptr p) {
  const Lock lock;
  if (const cudaError_t refused = enter("cuMemGetAddressRange")) {
    cudaGetLastError();  // the runtime does not remember errors of the driver's functions
    return CUresult(refused);
  }
  const Allocation* allocation = find_allocation(reinterpret_cast<const void*>(p));
  if (!allocation) return CUDA_ERROR_INVALID_VALUE;
  if (base) *base = reinterpret_cast<CUdeviceptr>(allocation->start);
  if (bytes) *bytes = allocation->bytes;
  return CUDA_SUCCESS;
}

}  // namespace

cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** function, unsigned version,
                                             unsigned long long,
                                             cudaDriverEntryPointQueryResult* status) {
  *function = nullptr;
  ORTHOKIT_EMULATOR_ENTER("cudaGetDriverEntryPointByVersion");
  const bool known = std::strcmp(symbol, "cuMemGetAddressRange") == 0;
  const bool found = known && version >= 3020;
  if (found) *function = reinterpret_cast<void*>(address_range);
  if (status)
    *status = found   ? cudaDriverEntryPointSuccess
              : known ? cudaDriverEntryPointVersionNotSufficent
                      : cudaDriverEntryPointSymbolNotFound;
  return cudaSuccess;
}
