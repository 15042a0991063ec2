// Memory of a device for several processes, by CUDA's handles of memory: cudaIpc…MemHandle. Only
// cudaMalloc makes such memory, not the pools of stream-ordered memory.
#include <cudaTypedefs.h>

#include <algorithm>
#include <cstring>

#include "cuda/stream.h"

namespace orthokit::cuda {
namespace {

// CUDA may cut smaller blocks from one piece of memory, all of which a handle shows to others; its
// programming guide advises multiples of this.
constexpr size_t kWhole = size_t(2) << 20;

std::string uuid_of(int device) {
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  std::string text;
  for (size_t i = 0; i < sizeof properties.uuid.bytes; ++i) {
    const auto byte = static_cast<unsigned char>(properties.uuid.bytes[i]);
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += "0123456789abcdef"[byte >> 4], text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

// Bytes from the pointer to the end of what is mapped there: the runtime cannot tell.
size_t room_at(void* data) {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found;
#if CUDART_VERSION < 12050
  check(cudaGetDriverEntryPoint("cuMemGetAddressRange", &function, cudaEnableDefault, &found),
        "cudaGetDriverEntryPoint");
#else
  check(cudaGetDriverEntryPointByVersion("cuMemGetAddressRange", &function, 3020, cudaEnableDefault,
                                         &found),
        "cudaGetDriverEntryPointByVersion");
#endif
  if (found != cudaDriverEntryPointSuccess || !function)
    throw Error(ErrorCode::kUnsupported, "the driver must have cuMemGetAddressRange, got none");
  const auto range = reinterpret_cast<PFN_cuMemGetAddressRange_v3020>(function);
  CUdeviceptr base = 0;
  size_t bytes = 0;
  const auto at = reinterpret_cast<CUdeviceptr>(data);
  if (const CUresult status = range(&base, &bytes, at))
    throw Error(ErrorCode::kBackend, "cuMemGetAddressRange: error " + std::to_string(status),
                int32_t(status));
  return size_t(base + bytes - at);
}

void check_sharing(cudaError_t status, const char* call) {
  if (status != cudaErrorNotSupported) return check(status, call);
  cudaGetLastError();
  throw Error(ErrorCode::kUnsupported,
              std::string(call) + ": this device shares no memory with other processes");
}

void* open(const SharedName& name) {
  cudaIpcMemHandle_t handle;
  static_assert(sizeof handle == sizeof name.handle);
  std::memcpy(&handle, name.handle, sizeof handle);
  void* data = nullptr;
  const cudaError_t status = cudaIpcOpenMemHandle(&data, handle, cudaIpcMemLazyEnablePeerAccess);
  const auto refuse = [&](ErrorCode code, const char* why) {
    cudaGetLastError();
    throw Error(code, std::string(why) + ": cudaIpcOpenMemHandle: " + cudaGetErrorString(status) +
                          " (" + cudaGetErrorName(status) + ")");
  };
  if (status == cudaErrorDeviceUninitialized)
    refuse(ErrorCode::kUnsupported, "CUDA opens no memory in the process that has made it");
  if (status == cudaErrorInvalidValue || status == cudaErrorInvalidResourceHandle ||
      status == cudaErrorMapBufferObjectFailed)
    refuse(ErrorCode::kIo, "there is no such memory, or no longer");
  check_sharing(status, "cudaIpcOpenMemHandle");
  return data;
}

}  // namespace

void* Stream::allocate_shared(size_t bytes, SharedName& name) {
  check(cudaSetDevice(device_), "cudaSetDevice");
  const size_t whole = (std::max<size_t>(bytes, 1) + kWhole - 1) / kWhole * kWhole;
  void* data = nullptr;
  cudaError_t status = cudaMalloc(&data, whole);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    synchronize();
    if (pool_) check(cudaMemPoolTrimTo(pool_, 0), "cudaMemPoolTrimTo");
    status = cudaMalloc(&data, whole);
    if (status == cudaErrorMemoryAllocation) cudaGetLastError();
  }
  if (status == cudaErrorMemoryAllocation) refuse_memory(whole);
  check(status, "cudaMalloc");
  try {
    cudaIpcMemHandle_t handle;
    check_sharing(cudaIpcGetMemHandle(&handle, data), "cudaIpcGetMemHandle");
    // Others see the whole block, and not what lay there before.
    check(cudaMemsetAsync(data, 0, whole, stream_), "cudaMemsetAsync");
    name = {};
    std::memcpy(name.handle, &handle, sizeof handle);
    std::snprintf(name.device, sizeof name.device, "%s", uuid_of(device_).c_str());
    name.bytes = int64_t(whole);
  } catch (...) {
    cudaFree(data);
    throw;
  }
  return data;
}

void* Stream::attach(const SharedName& name) {
  check(cudaSetDevice(device_), "cudaSetDevice");
  if (const std::string own = uuid_of(device_); own != name.device)
    throw Error(ErrorCode::kUnsupported,
                "the memory must be of this GPU, " + own + ", got some of " + name.device);
  void* data = open(name);
  try {
    cudaPointerAttributes about;
    check(cudaPointerGetAttributes(&about, data), "cudaPointerGetAttributes");
    if (about.type != cudaMemoryTypeDevice || about.device != device_)
      throw Error(ErrorCode::kFormat,
                  "the memory must be of the GPU that the handle says, got some of device " +
                      std::to_string(about.device));
    if (const size_t room = room_at(data); room < size_t(name.bytes))
      throw Error(ErrorCode::kFormat, "the memory must have " + std::to_string(name.bytes) +
                                          " bytes as the handle says, got " + std::to_string(room));
  } catch (...) {
    cudaIpcCloseMemHandle(data);
    throw;
  }
  return data;
}

// CUDA does not say that it waits for work that uses the memory.
void Stream::finish() noexcept {
  caught(
      [&] {
        graphs_->flush();
        synchronize();
      },
      [](ErrorCode, const char*, int32_t) {});
}

void Stream::release_shared(void* data) noexcept {
  finish();
  cudaFree(data);
}

void Stream::detach(void* data) noexcept {
  finish();
  cudaIpcCloseMemHandle(data);
}

}  // namespace orthokit::cuda
